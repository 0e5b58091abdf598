/** The screen of the call: tiles, stage, controls. It draws what `Call` and `LocalMedia` say. */
import { byId, setButton, showTrack, within } from './dom.js';
import { bestGrid, clock, hueIndex, initials } from './layout.js';
import { readStats } from './stats.js';
import { t } from './texts.js';

const HUES = 6;
const GAP = 12;
const SPEAKING_LEVEL = 0.02;
const SPEAKING_HOLD_MS = 700;

/**
 * @typedef {import('./call.js').Call} Call
 * @typedef {import('./media.js').LocalMedia} LocalMedia
 * @typedef {object} TileContent
 * @property {string} key
 * @property {string} userId
 * @property {string} name
 * @property {string} nodeId
 * @property {'camera' | 'screen'} source
 * @property {boolean} self
 * @property {MediaStreamTrack | null} video null where there is none, or it is muted
 * @property {string} trackId
 * @property {'on' | 'off' | null} microphone
 * @property {string} note
 */

export class CallView {
  #media;
  /** @type {Call | null} */
  #call = null;
  /** @type {Map<string, HTMLElement>} */
  #tiles = new Map();
  /** @type {Map<string, HTMLAudioElement>} by trackId */
  #sounds = new Map();
  /** @type {Map<string, number>} userId → when they were last heard */
  #heard = new Map();
  #startedAt = 0;

  /**
   * @param {LocalMedia} media
   * @param {{ microphone: () => void, camera: () => void, screen: () => void, leave: () => void, copyLink: () => void }} actions
   */
  constructor(media, actions) {
    this.#media = media;
    byId('controls').setAttribute('aria-label', t.controls);
    const buttons = /** @type {const} */ ([
      ['toggle-mic', actions.microphone],
      ['toggle-camera', actions.camera],
      ['toggle-screen', actions.screen],
      ['sharing-stop', actions.screen],
      ['leave', actions.leave],
      ['copy-link', actions.copyLink],
      ['alone-copy', actions.copyLink],
    ]);
    for (const [id, action] of buttons) byId(id).addEventListener('click', action);
    byId('toggle-screen').hidden = !navigator.mediaDevices?.getDisplayMedia;
    byId('toggle-details').addEventListener('click', () => {
      byId('details').hidden = !byId('details').hidden;
      this.#renderControls();
      void this.#renderDetails();
    });
    byId('unlock').addEventListener('click', () => {
      byId('unlock').hidden = true;
      for (const sound of this.#sounds.values()) void sound.play();
    });
    document.addEventListener('keydown', (event) => {
      if (!this.#call || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.code === 'KeyM') actions.microphone();
      if (event.code === 'KeyV') actions.camera();
    });
    media.addEventListener('change', () => this.render());
    new ResizeObserver(() => this.#arrange()).observe(byId('floor'));
    setInterval(() => this.#tick(), 200);
    setInterval(() => void this.#renderDetails(), 2000);
  }

  /** @param {Call} call @param {string} roomId */
  show(call, roomId) {
    if (!this.#call) this.#startedAt = Date.now();
    this.#call = call;
    byId('call').hidden = false;
    byId('room-name').textContent = roomId;
    this.render();
  }

  hide() {
    this.#call = null;
    byId('call').hidden = true;
    byId('details').hidden = true;
    byId('unlock').hidden = true;
    for (const tile of this.#tiles.values()) tile.remove();
    for (const sound of this.#sounds.values()) sound.remove();
    this.#tiles.clear();
    this.#sounds.clear();
  }

  render() {
    if (!this.#call) return;
    const contents = this.#contents(this.#call);
    for (const content of contents) this.#renderTile(content);
    for (const [key, tile] of this.#tiles) {
      if (contents.some((content) => content.key === key)) continue;
      tile.remove();
      this.#tiles.delete(key);
    }
    this.#place(contents);
    this.#renderSounds(this.#call);
    this.#renderBar(this.#call);
    this.#renderControls();
  }

  /** @param {Call} call @returns {TileContent[]} ourselves, the others as they came, then screens */
  #contents(call) {
    const { room, user: me } = call;
    const remote = [...call.remote.values()].filter((track) => !room.closed.has(track.producerId));
    // Media may be faster than the fact that tells of its user.
    const others = new Set([...room.users.keys(), ...remote.map((track) => track.userId)]);
    others.delete(me.userId);

    const mine = { userId: me.userId, nodeId: me.nodeId, self: true, note: '' };
    /** @type {TileContent[]} */
    const people = [
      {
        ...mine,
        key: me.userId,
        name: `${me.displayName} (${t.you})`,
        source: 'camera',
        video: this.#media.tracks.get('camera') ?? null,
        trackId: call.trackIdOf('camera') ?? '',
        microphone: this.#media.tracks.has('microphone') && this.#media.wanted.microphone ? 'on' : 'off',
      },
    ];
    /** @type {TileContent[]} */
    const screens = [];
    const ownScreen = this.#media.tracks.get('screen');
    if (ownScreen) {
      screens.push({
        ...mine,
        key: 'own-screen',
        source: 'screen',
        name: t.screenOf(me.displayName),
        video: ownScreen,
        trackId: call.trackIdOf('screen') ?? '',
        microphone: null,
      });
    }
    for (const userId of others) {
      const user = room.users.get(userId);
      const name = user?.displayName ?? userId;
      const camera = remote.find((track) => track.userId === userId && track.source === 'camera');
      const microphone = [...room.tracks.values()].find(
        (track) => track.userId === userId && track.source === 'microphone',
      );
      const common = { userId, nodeId: user?.nodeId ?? '', self: false };
      people.push({
        ...common,
        key: userId,
        name,
        source: 'camera',
        video: camera && !room.tracks.get(camera.trackId)?.paused ? camera.media : null,
        trackId: camera?.trackId ?? '',
        microphone: microphone && !microphone.paused ? 'on' : 'off',
        note: user && room.interrupted.has(user.sessionId) ? t.weak : '',
      });
      for (const track of remote) {
        if (track.userId !== userId || track.source !== 'screen') continue;
        screens.push({
          ...common,
          key: track.trackId,
          name: t.screenOf(name),
          source: 'screen',
          video: track.media,
          trackId: track.trackId,
          microphone: null,
          note: '',
        });
      }
    }
    return [...people, ...screens];
  }

  /** @param {TileContent} content */
  #renderTile(content) {
    const tile = this.#tiles.get(content.key) ?? makeTile();
    this.#tiles.set(content.key, tile);
    const video = /** @type {HTMLVideoElement} */ (within(tile, 'video'));
    showTrack(video, content.video);
    Object.assign(tile.dataset, {
      userId: content.userId,
      trackId: content.trackId,
      nodeId: content.nodeId,
      source: content.source,
      self: String(content.self),
      microphone: content.microphone ?? '',
    });
    if (!content.video) tile.dataset['video'] = 'off';
    else if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) tile.dataset['video'] = 'on';
    tile.setAttribute('aria-label', content.name);

    const avatar = within(tile, '.avatar');
    avatar.textContent = initials(content.name.replace(/ \(.*\)$/, ''));
    avatar.dataset['hue'] = String(hueIndex(content.userId, HUES));
    within(tile, '.tile-name').textContent = content.name;
    within(tile, '.tile-note').textContent = content.note;
    const icon = content.source === 'screen' ? 'screen' : content.microphone === 'on' ? 'mic' : 'mic-off';
    within(tile, '.label use').setAttribute('href', `#i-${icon}`);

    const badge = within(tile, '.node');
    badge.hidden = content.nodeId === '';
    badge.title = t.servedBy(content.nodeId);
    within(tile, '.node-name').textContent = content.nodeId;
    within(tile, '.node .dot').dataset['hue'] = String(hueIndex(content.nodeId, HUES));
  }

  /** Somebody else's screen goes on the stage. @param {TileContent[]} contents */
  #place(contents) {
    const staged = contents.findLast((content) => content.source === 'screen' && !content.self);
    const stage = byId('stage');
    byId('call').dataset['layout'] = staged ? 'stage' : 'grid';
    stage.hidden = !staged;
    /** @type {HTMLElement | null} */
    let previous = null;
    for (const { key } of contents) {
      const tile = this.#tiles.get(key);
      if (!tile) continue;
      if (key === staged?.key) {
        if (tile.parentElement !== stage) stage.replaceChildren(tile);
        continue;
      }
      // Moving an element restarts its video, so only what is out of place is moved.
      /** @type {Element | null} */
      const wanted = previous ? previous.nextElementSibling : byId('tiles').firstElementChild;
      if (wanted !== tile) byId('tiles').insertBefore(tile, wanted);
      previous = tile;
    }
    byId('alone').hidden = contents.some((content) => !content.self);
    this.#arrange();
    for (const tile of this.#tiles.values()) {
      const video = /** @type {HTMLVideoElement} */ (within(tile, 'video'));
      if (video.srcObject && video.paused) video.play().catch(() => {});
    }
  }

  #arrange() {
    const tiles = byId('tiles');
    const { clientWidth, clientHeight } = tiles;
    const { columns, tileWidth, tileHeight } = bestGrid(tiles.childElementCount, clientWidth, clientHeight, GAP);
    tiles.style.setProperty('--tile-width', `${tileWidth}px`);
    tiles.style.setProperty('--tile-height', `${tileHeight}px`);
    tiles.style.setProperty('--row-width', `${columns * (tileWidth + GAP) - GAP}px`);
  }

  /** @param {Call} call */
  #renderSounds(call) {
    for (const track of call.remote.values()) {
      if (track.kind !== 'audio' || this.#sounds.has(track.trackId)) continue;
      const sound = document.createElement('audio');
      sound.autoplay = true;
      sound.dataset['testid'] = 'remote-audio';
      sound.dataset['trackId'] = track.trackId;
      sound.dataset['userId'] = track.userId;
      byId('audio').append(sound);
      this.#sounds.set(track.trackId, sound);
    }
    for (const [trackId, sound] of this.#sounds) {
      const track = call.remote.get(trackId);
      if (track) {
        showTrack(sound, track.media);
        sound.play().catch((error) => {
          // The browser wants a click first. Anything else is a play() that was overtaken.
          if (error.name === 'NotAllowedError') byId('unlock').hidden = false;
        });
      } else {
        sound.remove();
        this.#sounds.delete(trackId);
      }
    }
  }

  /** @param {Call} call */
  #renderBar(call) {
    const nodes = new Map([[call.user.nodeId, call.room.users.has(call.user.userId) ? 0 : 1]]);
    for (const { nodeId } of call.room.users.values()) nodes.set(nodeId, (nodes.get(nodeId) ?? 0) + 1);
    const chips = [...nodes]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([nodeId, count]) => {
        const chip = document.createElement('li');
        chip.className = 'chip';
        chip.dataset['nodeId'] = nodeId;
        chip.title = `${t.servedBy(nodeId)}: ${t.people(count)}`;
        const dot = document.createElement('i');
        dot.className = 'dot';
        dot.dataset['hue'] = String(hueIndex(nodeId, HUES));
        const number = document.createElement('b');
        number.textContent = String(count);
        chip.append(dot, nodeId, number);
        return chip;
      });
    byId('nodes').replaceChildren(...chips);
    const people = Math.max(1, call.room.users.size);
    byId('people-count').textContent = String(people);
    byId('people').setAttribute('aria-label', t.people(people));
    byId('people').title = t.people(people);
    byId('connection').dataset['state'] = call.connection;
    if (byId('connection-text').textContent !== t.state[call.connection]) {
      byId('connection-text').textContent = t.state[call.connection];
    }
  }

  #renderControls() {
    const { tracks, wanted } = this.#media;
    const mic = tracks.has('microphone') && wanted.microphone;
    const camera = tracks.has('camera');
    const screen = tracks.has('screen');
    setButton(byId('toggle-mic'), {
      icon: mic ? 'mic' : 'mic-off',
      label: mic ? t.muteMic : t.unmuteMic,
      off: !mic,
      key: 'M',
    });
    setButton(byId('toggle-camera'), {
      icon: camera ? 'camera' : 'camera-off',
      label: camera ? t.cameraOff : t.cameraOn,
      off: !camera,
      key: 'V',
    });
    setButton(byId('toggle-screen'), { icon: 'screen', label: screen ? t.screenOff : t.screenOn, active: screen });
    setButton(byId('leave'), { icon: 'leave', label: t.leave });
    setButton(byId('toggle-details'), { icon: 'info', label: t.showDetails, active: !byId('details').hidden });
    byId('toggle-details').setAttribute('aria-expanded', String(!byId('details').hidden));
    byId('sharing').hidden = !screen;
  }

  /** The clock, and who speaks. */
  #tick() {
    const call = this.#call;
    if (!call) return;
    byId('clock').textContent = clock(Date.now() - this.#startedAt);
    const now = Date.now();
    for (const track of call.remote.values()) {
      if (track.source !== 'microphone') continue;
      const level = track.receiver.getSynchronizationSources()[0]?.audioLevel ?? 0;
      if (level > SPEAKING_LEVEL) this.#heard.set(track.userId, now);
    }
    if (this.#media.wanted.microphone && this.#media.level() > SPEAKING_LEVEL * 3)
      this.#heard.set(call.user.userId, now);
    for (const tile of this.#tiles.values()) {
      const heard = this.#heard.get(tile.dataset['userId'] ?? '') ?? 0;
      tile.dataset['speaking'] = String(tile.dataset['source'] === 'camera' && now - heard < SPEAKING_HOLD_MS);
    }
  }

  async #renderDetails() {
    const call = this.#call;
    if (!call || byId('details').hidden) return;
    const stats = await readStats(call.peerConnections);
    const rows = [
      [t.stats.node, call.user.nodeId],
      [t.stats.nodes, call.room.nodes().join(', ')],
      [t.stats.up, stats.up],
      [t.stats.down, stats.down],
      [t.stats.sent, stats.sent],
      [t.stats.rtt, stats.rtt],
      [t.stats.loss, stats.loss],
      [t.stats.codec, stats.codecs],
      [t.stats.route, stats.route],
    ];
    byId('details-list').replaceChildren(
      ...rows.flatMap(([name = '', value = '']) => {
        const term = document.createElement('dt');
        term.textContent = name;
        const description = document.createElement('dd');
        description.textContent = value || '–';
        return [term, description];
      }),
    );
  }
}

/** @returns {HTMLElement} */
function makeTile() {
  const template = /** @type {HTMLTemplateElement} */ (byId('tile-template'));
  const tile = /** @type {HTMLElement} */ (within(/** @type {any} */ (template.content), '.tile').cloneNode(true));
  const video = within(tile, 'video');
  // The avatar stays until there is a picture.
  for (const event of ['loadeddata', 'playing', 'resize']) {
    video.addEventListener(event, () => {
      if (/** @type {HTMLVideoElement} */ (video).srcObject) tile.dataset['video'] = 'on';
    });
  }
  return tile;
}
