/** The screen before the call: preview, devices, name and room. */
import { byId, setButton, showTrack } from './dom.js';
import { hueIndex, initials, toRoomId } from './layout.js';
import { language, switchLanguage, t } from './texts.js';

const STORED_NAME = 'demo.name';

/** @typedef {import('./media.js').LocalMedia} LocalMedia */

export class JoinView {
  #media;
  #name = byId(/** @type {string} */ ('name'));
  #room = byId('room');
  #shown = false;

  /** @param {LocalMedia} media @param {{ room: string, onJoin: (name: string, roomId: string) => void }} options */
  constructor(media, { room, onJoin }) {
    this.#media = media;
    const name = /** @type {HTMLInputElement} */ (this.#name);
    const roomInput = /** @type {HTMLInputElement} */ (this.#room);
    name.value = localStorage.getItem(STORED_NAME) ?? '';
    roomInput.value = room;
    byId('language').textContent = t.otherLanguage;
    byId('language').lang = language === 'en' ? 'ru' : 'en';
    byId('language').addEventListener('click', switchLanguage);

    byId('join-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const person = name.value.trim();
      const roomId = toRoomId(roomInput.value);
      if (!person || !roomId) {
        this.showError(person ? t.roomNeeded : t.nameNeeded);
        (person ? roomInput : name).focus();
        return;
      }
      roomInput.value = roomId;
      localStorage.setItem(STORED_NAME, person);
      onJoin(person, roomId);
    });
    name.addEventListener('input', () => this.#render());

    byId('preview-mic').addEventListener('click', () => {
      if (media.tracks.has('microphone')) media.setMicrophone(!media.wanted.microphone);
      else void media.openDevice('microphone');
    });
    byId('preview-camera').addEventListener('click', () => {
      const on = media.tracks.has('camera');
      media.wanted.camera = !on;
      if (on) media.stop('camera');
      else void media.openDevice('camera');
    });
    for (const device of /** @type {const} */ (['microphone', 'camera'])) {
      byId(`${device}-select`).addEventListener('change', (event) => {
        if (event.target instanceof HTMLSelectElement) void media.openDevice(device, event.target.value);
      });
    }
    media.addEventListener('change', () => {
      if (!this.#shown) return;
      this.#render();
      void this.#listDevices();
    });
  }

  show() {
    this.#shown = true;
    byId('join').hidden = false;
    this.setBusy(false);
    this.#render();
    void this.#listDevices();
    this.#meter();
    const empty = /** @type {HTMLInputElement} */ (this.#name).value === '';
    if (empty && matchMedia('(pointer: fine)').matches) this.#name.focus();
  }

  hide() {
    this.#shown = false;
    byId('join').hidden = true;
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    const button = byId('join-button');
    /** @type {HTMLButtonElement} */ (button).disabled = busy;
    button.textContent = busy ? t.joining : t.join;
    if (busy) byId('join-error').hidden = true;
  }

  /** @param {string} text */
  showError(text) {
    byId('join-error').textContent = text;
    byId('join-error').hidden = false;
  }

  #render() {
    const media = this.#media;
    const camera = media.tracks.get('camera') ?? null;
    const micOn = media.tracks.has('microphone') && media.wanted.microphone;
    showTrack(/** @type {HTMLVideoElement} */ (byId('preview-video')), camera);
    byId('preview-frame').dataset['video'] = camera ? 'on' : 'off';
    const name = /** @type {HTMLInputElement} */ (this.#name).value.trim();
    byId('preview-avatar').textContent = name ? initials(name) : '';
    byId('preview-avatar').hidden = name === '';
    byId('preview-avatar').dataset['hue'] = String(hueIndex(name, 6));
    byId('preview-note').textContent = media.opening ? t.cameraOnlyPrompt : t.noCamera;
    byId('preview-level').hidden = !micOn;
    setButton(byId('preview-mic'), {
      icon: micOn ? 'mic' : 'mic-off',
      label: micOn ? t.muteMic : t.unmuteMic,
      off: !micOn,
    });
    setButton(byId('preview-camera'), {
      icon: camera ? 'camera' : 'camera-off',
      label: camera ? t.cameraOff : t.cameraOn,
      off: !camera,
    });

    const message = byId('device-message');
    const trouble = deviceMessage(media);
    message.textContent = `${trouble} ${t.joinAnyway}`;
    message.hidden = trouble === '';
  }

  async #listDevices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    for (const [source, kind] of /** @type {const} */ ([
      ['microphone', 'audioinput'],
      ['camera', 'videoinput'],
    ])) {
      const select = /** @type {HTMLSelectElement} */ (byId(`${source}-select`));
      const options = devices.filter((device) => device.kind === kind && device.deviceId !== '');
      const current = this.#media.tracks.get(source)?.getSettings().deviceId ?? select.value;
      select.replaceChildren(...options.map(({ label, deviceId }) => new Option(label || t[source], deviceId)));
      if (options.length === 0) select.append(new Option(t.noDevice, ''));
      else if (options.some(({ deviceId }) => deviceId === current)) select.value = current;
      select.disabled = options.length === 0;
    }
  }

  #meter() {
    if (!this.#shown) return;
    /** @type {HTMLMeterElement} */ (/** @type {unknown} */ (byId('preview-level'))).value = this.#media.level();
    requestAnimationFrame(() => this.#meter());
  }
}

/** @param {LocalMedia} media @param {string} [only] @returns {string} what is wrong with the devices, in words */
export function deviceMessage(media, only) {
  if (media.troubles.get('camera') === 'insecure') return t.device.insecure();
  const troubles = [...media.troubles].filter(([device]) => !only || device === only);
  return troubles.map(([device, trouble]) => t.device[trouble](t[device])).join(' ');
}
