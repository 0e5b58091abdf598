/**
 * The microphone, camera and screen of this page. Devices may be missing, blocked or in use: the
 * call works with what there is.
 *
 * @typedef {'microphone' | 'camera'} Device
 * @typedef {'denied' | 'missing' | 'busy' | 'failed' | 'insecure' | 'lost'} Trouble
 */

const VIDEO_SIZES = { '360p': { width: 640, height: 360 }, '720p': { width: 1280, height: 720 } };

/** Emits `change` when a track or a trouble changes, and `ended` `{source}` when a source stops by itself. */
export class LocalMedia extends EventTarget {
  /** @type {Map<string, MediaStreamTrack>} by source: microphone, camera, screen, screen-audio */
  tracks = new Map();
  /** @type {Map<Device, Trouble>} */
  troubles = new Map();
  /** What the person wants; a device may still be missing. */
  wanted = { microphone: true, camera: true };
  opening = false;
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #video;

  /** @param {string | null} videoSize `360p` for weak machines */
  constructor(videoSize) {
    super();
    this.#video = VIDEO_SIZES[videoSize === '360p' ? '360p' : '720p'];
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#changed());
  }

  /** Asks for both at once, so that there is one question; if that fails, for each. */
  async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.troubles.set('camera', 'insecure').set('microphone', 'insecure');
      this.#changed();
      return;
    }
    this.opening = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: audio(), video: this.#camera() });
      for (const track of stream.getTracks()) this.#take(track.kind === 'audio' ? 'microphone' : 'camera', track);
    } catch {
      await this.openDevice('microphone');
      await this.openDevice('camera');
    }
    this.opening = false;
    this.#changed();
  }

  /**
   * @param {Device} source @param {string} [deviceId]
   * @returns {Promise<MediaStreamTrack | null>} null where it cannot be had; `troubles` says why
   */
  async openDevice(source, deviceId) {
    const constraints = source === 'microphone' ? { audio: audio(deviceId) } : { video: this.#camera(deviceId) };
    try {
      const stream = await navigator.mediaDevices.getUserMedia(constraints);
      const track = stream.getTracks()[0];
      if (track) this.#take(source, track);
      return track ?? null;
    } catch (error) {
      this.troubles.set(source, troubleOf(error));
      this.#changed();
      return null;
    }
  }

  /** @returns {Promise<boolean>} false if the person changed their mind */
  async openScreen() {
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
      for (const track of stream.getTracks()) {
        if (track.kind === 'video') track.contentHint = 'detail';
        this.#take(track.kind === 'video' ? 'screen' : 'screen-audio', track);
      }
      return true;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'NotAllowedError') return false;
      throw error;
    }
  }

  /** Stops the device itself: its light goes off. @param {string} source */
  stop(source) {
    const track = this.tracks.get(source);
    this.tracks.delete(source);
    track?.stop();
    if (source === 'microphone') this.#listen(null);
    this.#changed();
  }

  stopAll() {
    for (const source of [...this.tracks.keys()]) this.stop(source);
    void this.#audio?.close();
    this.#audio = null;
  }

  /** @param {boolean} on */
  setMicrophone(on) {
    this.wanted.microphone = on;
    const track = this.tracks.get('microphone');
    if (track) track.enabled = on;
    this.#changed();
  }

  /** @returns {number} 0 to 1 */
  level() {
    if (!this.#analyser) return 0;
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / samples.length) * 4);
  }

  /** A browser lets a page compute sound only after a click or key. */
  resumeMeter() {
    void this.#audio?.resume();
  }

  /** @param {string} source @param {MediaStreamTrack} track */
  #take(source, track) {
    this.tracks.get(source)?.stop();
    this.tracks.set(source, track);
    if (source === 'microphone' || source === 'camera') this.troubles.delete(source);
    if (source === 'microphone') {
      track.enabled = this.wanted.microphone;
      this.#listen(track);
    }
    track.addEventListener('ended', () => {
      if (this.tracks.get(source) !== track) return;
      this.tracks.delete(source);
      if (source === 'microphone' || source === 'camera') this.troubles.set(source, 'lost');
      this.#changed();
      this.dispatchEvent(new CustomEvent('ended', { detail: { source } }));
    });
    this.#changed();
  }

  /** @param {MediaStreamTrack | null} track */
  #listen(track) {
    this.#analyser?.disconnect();
    this.#analyser = null;
    if (!track) return;
    this.#audio ??= new AudioContext();
    this.#analyser = this.#audio.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#audio.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  /** @param {string} [deviceId] */
  #camera(deviceId) {
    const { width, height } = this.#video;
    return { ...pick(deviceId), width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30, max: 30 } };
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** @param {string} [deviceId] */
function audio(deviceId) {
  return { ...pick(deviceId), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

/** @param {string | undefined} deviceId */
function pick(deviceId) {
  return deviceId ? { deviceId: { exact: deviceId } } : {};
}

/** @param {unknown} error @returns {Trouble} */
export function troubleOf(error) {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'failed';
  }
}
