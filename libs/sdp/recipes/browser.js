/**
 * A call in a web page with plain WebRTC. Copy this file; it needs nothing else.
 *
 *   pub   we offer, the server answers       microphone, camera, screen
 *   sub   the server offers, we answer       everything of everybody else, and messages
 *
 * Each PeerConnection is offered on by one side only, so offers never cross. The page talks to your backend, which
 * relays to the media server; how it does that is the `Signaling` you hand in. All of it in a page:
 *
 *   const call = new CallClient(signaling, {
 *     ontrack: (info, track) => show(info.trackId, new MediaStream([track])),
 *     ontrackended: (info) => hide(info.trackId),
 *   });
 *   const [camera] = (await navigator.mediaDevices.getUserMedia({ video: true })).getTracks();
 *   await call.send('camera', camera);
 *   await call.join();
 *   …
 *   call.leave();
 */

/**
 * Your channel to your backend. Bodies and answers are those of the media server's API. A call that was refused rejects
 * with the `code` and `retryable` of the problem document. Without a `code` it counts as lost on the way and is repeated:
 * so give the refusals of your own backend a `code` and `retryable: false`, too.
 *
 * @typedef {object} Signaling
 * @property {(body: { capabilitiesSdp: string, publish?: Publish }) => Promise<JoinAnswer>} join
 *   `POST …/users`; your backend adds `userId` and whatever it decides about this user
 * @property {(body: Resume) => Promise<JoinAnswer>} resume `POST …/users/{userId}/resume`
 * @property {(body: Publish) => Promise<PublishAnswer>} publish `PUT …/users/{userId}/publish`
 * @property {(body: { negotiationId: string, sdp: string }) => Promise<{ next: Offer | null }>} answer
 *   `PUT …/users/{userId}/subscribe/answer`
 * @property {() => unknown} leave `DELETE …/users/{userId}`. It is called as the page closes, too, when only
 *   `navigator.sendBeacon` and `fetch` with `keepalive` get through
 * @property {(listener: (sessionId: string, offer: Offer) => void) => void} onOffer `listener` is to be called with the
 *   `sessionId` and the `subscribe` of each webhook `subscribe.offer`. Late, doubled or lost ones do no harm.
 *
 * @typedef {{ sdp: string, tracks: PublishTrack[], generation?: number }} Publish
 * @typedef {{ mid: string, source: string, ridOrder?: string[], scalabilityMode?: string, codec?: string,
 *   stereo?: boolean, dtx?: boolean, maxBitrate?: number }} PublishTrack
 * @typedef {{ sessionId: string, reset: Reset, capabilitiesSdp?: string, publish?: Publish }} Resume
 * @typedef {'none' | 'ice' | 'all'} Reset
 * @typedef {{ mid: string, status: string, code: string | null, source: string | null }} PublishedSection
 * @typedef {{ generation: number, sdp: string, sections: PublishedSection[] }} PublishAnswer
 * @typedef {{ user: { sessionId: string }, publish: PublishAnswer | null, subscribe: Offer | null,
 *   iceServers: RTCIceServer[] }} JoinAnswer
 * @typedef {{ generation: number, revision: number, negotiationId: string, sdp: string, tracks: TrackInfo[],
 *   data: { label: string, id: number, ordered: boolean, maxRetransmits?: number }[] }} Offer
 * @typedef {{ mid: string, trackId: string, consumerId: string, userId: string, kind: string, source: string,
 *   paused: boolean, replaces: string | null }} TrackInfo
 */

/**
 * @typedef {object} Handlers
 * @property {(info: TrackInfo, track: MediaStreamTrack) => void} [ontrack] Something to show. Called again for the same
 *   `trackId` if another track takes over: show that one in its place.
 * @property {(info: TrackInfo) => void} [ontrackended] Nothing of this `trackId` is received any more.
 * @property {(message: { from: string, data: unknown } | { error: { code: string } }) => void} [onmessage]
 * @property {(state: State) => void} [onstate]
 * @property {() => void} [onreplaced] The user came in with another device, and so this call ends. Do not join again
 *   unless the person asks: the two devices would take the call from each other.
 * @property {(error: unknown) => void} [onproblem] Something failed that the call survives.
 * @typedef {'new' | 'connecting' | 'connected' | 'reconnecting' | 'ended'} State
 *
 * @typedef {object} Options
 * @property {string} [storageKey] Under it the session is kept in `sessionStorage`, so that a tab that was discarded or
 *   crashed goes on with it; '' keeps nothing.
 * @property {boolean} [leaveOnPageHide] Default true: who closes the page leaves at once, and who reloads it joins
 *   anew. False: a reload goes on with the session, and who closes the page is seen until the grace time is over.
 * @property {boolean} [stereo] Default false. Play others in stereo (music): browsers play mono unless told.
 *
 * @typedef {object} SendOptions
 * @property {RTCRtpEncodingParameters[]} [encodings] From the lowest quality to the highest; none for
 *   the browser's own. Default: by source.
 * @property {string} [codec] `VP8`, `H264`, …; default: the browser's first that the room allows.
 * @property {boolean} [stereo] of what we send
 * @property {boolean} [dtx]
 * @property {number} [maxBitrate] bit/s
 *
 * @typedef {{ track: MediaStreamTrack, options: SendOptions, transceiver: RTCRtpTransceiver | null,
 *   paused?: boolean }} Sending
 * @typedef {{ info: TrackInfo, track: MediaStreamTrack, shown: boolean }} Received
 */

/** The session is over on the server: only a new join helps. */
const GONE = new Set(['session_gone', 'user_not_found', 'room_not_found']);
/** The user is in with another session: this one has been replaced. */
const REPLACED = 'stale_session';
/** The offer that was answered is not current any more: the current one is asked for. */
const OVERTAKEN = new Set(['stale_negotiation', 'no_negotiation']);
/** The server knows another PUB than this one: only a new one helps. */
const DIFFERS = new Set(['mline_mismatch', 'mline_count_shrunk', 'dtls_fingerprint_changed', 'stale_offer']);
/** `disconnected` often mends itself within this time. */
const DISCONNECTED_MS = 3_000;
/** So long a new attempt has to connect. */
const CONNECT_MS = 10_000;
const RETRY_MS = { first: 500, most: 8_000 };
/** So often a publish is tried while other changes of `pub` wait for it. */
const PUBLISH_TRIES = 5;

/** @type {Record<string, RTCRtpEncodingParameters[]>} */
const ENCODINGS = {
  // Simulcast: the server hands each receiver the size that fits.
  camera: [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
  ],
};

export class CallClient {
  #signaling;
  #handlers;
  #options;
  /** @type {State} */
  #state = 'new';
  #sessionId = '';
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** Whatever changes `pub` runs one after the other. @type {Promise<unknown>} */
  #queue = Promise.resolve();
  #recovering = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #disconnectedTimer;
  #listeners = new AbortController();

  /** @type {RTCPeerConnection | null} */
  #pub = null;
  #pubGeneration = 0;
  /** @type {Map<string, Sending>} by source */
  #sending = new Map();
  /** What was refused: its transceiver is there for the next try. @type {Map<string, Sending>} by source */
  #idle = new Map();

  /** @type {RTCPeerConnection | null} */
  #sub = null;
  /** Of the offer that was applied last. */
  #applied = { generation: 0, revision: 0 };
  /** @type {Offer | null} the newest offer that is not applied yet */
  #waiting = null;
  #applying = false;
  /** An answer the server has not confirmed. @type {{ negotiationId: string, sdp: string } | null} */
  #unconfirmed = null;
  /** @type {Map<string, Received>} by consumerId */
  #received = new Map();
  /** @type {Map<string, RTCDataChannel>} by label */
  #channels = new Map();

  /** @param {Signaling} signaling @param {Handlers} [handlers] @param {Options} [options] */
  constructor(signaling, handlers = {}, options = {}) {
    this.#signaling = signaling;
    this.#handlers = handlers;
    this.#options = { storageKey: 'call', leaveOnPageHide: true, stereo: false, ...options };
    signaling.onOffer((sessionId, offer) => {
      if (sessionId === this.#sessionId) this.#receive(offer);
    });
  }

  get state() {
    return this.#state;
  }

  /** For statistics. */
  get peerConnections() {
    return { pub: this.#pub, sub: this.#sub };
  }

  /** What is received now. */
  get tracks() {
    return [...this.#received.values()].map(({ info, track }) => ({ info, track }));
  }

  /** Joins with what `send` was called for before; goes on with the session this tab had, if there is one. */
  join() {
    return this.#serially(async () => {
      this.#sessionId = this.#stored() ?? '';
      await (this.#sessionId ? this.#resume('all') : this.#join()).catch((error) => {
        if (!GONE.has(codeOf(error))) throw error;
        return this.#join();
      });
      const listener = { signal: this.#listeners.signal };
      globalThis.addEventListener?.('online', () => void this.#recover('ice'), listener);
      if (this.#options.leaveOnPageHide) globalThis.addEventListener?.('pagehide', () => this.leave(), listener);
      this.#setState('connecting');
      this.#connectionChanged();
    });
  }

  /** Says goodbye and ends. */
  leave() {
    if (this.#state !== 'ended' && this.#sessionId) {
      // At once, since the page may be closing. Unheard, the grace time ends the session.
      void new Promise((resolve) => resolve(this.#signaling.leave())).catch(() => undefined);
    }
    this.close();
  }

  /** Ends without a word: the server has told that the session is over. Idempotent. */
  close() {
    if (this.#state === 'ended') return;
    this.#listeners.abort();
    clearTimeout(this.#disconnectedTimer);
    this.#store(null);
    this.#pub?.close();
    this.#sub?.close();
    this.#show([]);
    this.#setState('ended');
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a track as `source` (`camera`, `microphone`, `screen`, `screen-audio`, or a name of yours). If the source is
   * being sent, the track takes the place of the one before, without negotiation. Rejects, with the `code`, if it was
   * refused, and then it is not sent; what is refused at the join is told to `onproblem`.
   *
   * @param {string} source @param {MediaStreamTrack} track @param {SendOptions} [options]
   */
  send(source, track, options = {}) {
    // The person may end a screen share by the browser's own button; a camera may be unplugged.
    track.addEventListener?.('ended', () => {
      if (this.#sending.get(source)?.track === track) this.unpublish(source).catch((error) => this.#problem(error));
    });
    return this.#serially(async () => {
      const before = this.#sending.get(source);
      if (before) {
        await before.transceiver?.sender.replaceTrack(track);
        before.track = track;
        return;
      }
      /** @type {Sending} */
      const sending = { track, options, transceiver: null };
      this.#sending.set(source, sending);
      if (!this.#pub) return; // goes with the join
      let refusal;
      try {
        await this.#addTransceiver(this.#pub, source, sending);
        refusal = await this.#publish(source);
      } catch (error) {
        this.#sending.delete(source);
        await this.#setIdle(source, sending);
        throw error;
      }
      if (refusal) throw refusal;
    });
  }

  /** Stops sources for good. @param {...string} sources */
  unpublish(...sources) {
    return this.#serially(async () => {
      for (const source of sources) {
        this.#sending.get(source)?.transceiver?.stop();
        this.#sending.delete(source);
      }
      if (this.#pub) await this.#publish();
    });
  }

  /**
   * Stops and starts sending by the direction in SDP; the others see the track as muted. A quicker way, without SDP,
   * is `PATCH …/tracks/{trackId}` by your backend, with `track.enabled = false` here.
   *
   * @param {string} source @param {boolean} paused
   */
  setPaused(source, paused) {
    return this.#serially(async () => {
      const sending = this.#sending.get(source);
      if (!sending?.transceiver) throw new Error(`${source} is not sent`);
      // Kept: a new PeerConnection must not switch on what the user switched off.
      sending.paused = paused;
      sending.transceiver.direction = directionOf(sending);
      await this.#publish();
    });
  }

  /** @param {RTCPeerConnection} pc @param {string} source @param {Sending} sending */
  async #addTransceiver(pc, source, sending) {
    const { track, options } = sending;
    const encodings = options.encodings ?? ENCODINGS[source] ?? [];
    const idle = this.#idle.get(source);
    if (idle?.transceiver && idle.track.kind === track.kind && idle.options.encodings === options.encodings) {
      this.#idle.delete(source);
      await idle.transceiver.sender.replaceTrack(track);
      idle.transceiver.direction = directionOf(sending);
      sending.transceiver = idle.transceiver;
      return;
    }
    sending.transceiver = pc.addTransceiver(track, {
      direction: directionOf(sending),
      // A copy, since some browsers write into what they are given.
      ...(encodings.length > 0 ? { sendEncodings: structuredClone(encodings) } : {}),
    });
  }

  /** Stopped after its offer was rolled back, libwebrtc would give it the section of the next. @param {string} source @param {Sending} sending */
  async #setIdle(source, sending) {
    const { transceiver } = sending;
    if (!transceiver || transceiver.direction === 'stopped') return;
    transceiver.direction = 'inactive';
    await transceiver.sender.replaceTrack(null);
    this.#idle.set(source, sending);
  }

  /** What the server cannot read from the SDP. @param {(transceiver: RTCRtpTransceiver) => string} midOf @returns {PublishTrack[]} */
  #publishTracks(midOf) {
    /** @type {PublishTrack[]} */
    const tracks = [];
    for (const [source, { transceiver, options }] of this.#sending) {
      if (!transceiver) continue;
      const { encodings = ENCODINGS[source] ?? [], ...rest } = options;
      const rids = encodings.flatMap(({ rid }) => rid ?? []);
      // As the browser took it: some drop a mode without a word, and a server that counts on layers would wait for them.
      const taken = transceiver.sender.getParameters().encodings ?? [];
      const mode = taken.map(modeOf).find((value) => value !== undefined);
      tracks.push({
        mid: midOf(transceiver),
        source,
        ...(rids.length > 1 ? { ridOrder: rids } : {}),
        ...(mode === undefined ? {} : { scalabilityMode: mode }),
        ...rest,
      });
    }
    return tracks;
  }

  /**
   * Offers all that is sent. Who rejects has changed nothing here, or both PeerConnections are made anew.
   *
   * @param {string} [asked] the source it is for @returns {Promise<Error | undefined>} why the server did not take it
   */
  async #publish(asked) {
    const pc = this.#pub;
    if (!pc) return undefined;
    const offer = await this.#makeOffer(pc);
    const isWanted = (/** @type {number} */ tries) => tries < PUBLISH_TRIES;
    const answer = await this.#insist(() => this.#signaling.publish(offer), isWanted).catch(async (error) => {
      // Without an answer nobody knows whether the server has taken the offer, and a rollback would rename our sections.
      if (mayWorkLater(error)) void this.#recover('all');
      else await rollBack(pc);
      throw error;
    });
    return this.#published(pc, offer, answer, asked);
  }

  /** @param {RTCPeerConnection} pc @param {RTCOfferOptions} [options] @returns {Promise<Publish>} */
  async #makeOffer(pc, options) {
    await pc.setLocalDescription(await pc.createOffer(options));
    const tracks = this.#publishTracks(({ mid }) => mid ?? '');
    const generation = this.#pubGeneration > 0 ? { generation: this.#pubGeneration } : {};
    return { sdp: pc.localDescription?.sdp ?? '', tracks, ...generation };
  }

  /** @param {RTCPeerConnection} pc @param {Publish} offer @param {PublishAnswer} answer @param {string} [asked] see `#publish` */
  async #published(pc, { tracks }, { generation, sdp, sections }, asked) {
    try {
      await pc.setRemoteDescription({ type: 'answer', sdp });
    } catch (error) {
      void this.#recover('all'); // The server has applied what we have not.
      throw error;
    }
    this.#pubGeneration = generation;
    let refusal;
    for (const { mid, status, code } of sections) {
      const source = tracks.find((track) => track.mid === mid)?.source;
      if (status !== 'rejected' || source === undefined) continue;
      this.#sending.delete(source); // The answer has stopped its transceiver.
      const error = Object.assign(new Error(`${source} was not taken: ${code}`), { code });
      if (source === asked) refusal = error;
      else this.#problem(error);
    }
    return refusal;
  }

  // ── Receiving ────────────────────────────────────────────────────────────────────────────────

  /** Offers come with a join, with an answer or pushed: late, doubled or not at all. @param {Offer | null} offer */
  #receive(offer) {
    if (!offer || this.#state === 'ended') return;
    if (isNewer(offer, this.#applied)) {
      if (!this.#waiting || isNewer(offer, this.#waiting)) this.#waiting = offer;
      void this.#applyWaiting();
    } else if (offer.negotiationId === this.#unconfirmed?.negotiationId) {
      // It is pushed again because our answer did not arrive.
      void this.#confirm();
    }
  }

  async #applyWaiting() {
    if (this.#applying) return;
    this.#applying = true;
    while (this.#waiting && !this.#over) {
      const offer = this.#waiting;
      this.#waiting = null;
      try {
        await this.#applyOffer(offer);
      } catch (error) {
        this.#problem(error);
        void this.#recover('all');
      }
    }
    this.#applying = false;
    this.#connectionChanged();
  }

  /** @param {Offer} offer */
  async #applyOffer(offer) {
    const isSame = this.#sub && offer.generation === this.#applied.generation;
    const pc = isSame && this.#sub ? this.#sub : this.#renewSub(offer);
    try {
      await pc.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
      const answer = await pc.createAnswer();
      const sdp = this.#options.stereo ? withStereo(answer.sdp ?? '') : (answer.sdp ?? '');
      await pc.setLocalDescription({ type: 'answer', sdp });
    } catch (error) {
      await rollBack(pc);
      throw error;
    }
    this.#applied = { generation: offer.generation, revision: offer.revision };
    this.#unconfirmed = { negotiationId: offer.negotiationId, sdp: pc.localDescription?.sdp ?? '' };
    void this.#confirm();
    const transceivers = new Map(pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]));
    this.#show(
      offer.tracks.flatMap((info) => {
        const track = transceivers.get(info.mid)?.receiver.track;
        return track ? [{ info, track }] : [];
      }),
    );
  }

  /** A new generation means a new PeerConnection. @param {Offer} offer */
  #renewSub({ data }) {
    this.#sub?.close();
    const pc = this.#newConnection();
    this.#sub = pc;
    this.#channels.clear();
    // Made by both ends, under the ids of the offer; before it is applied, so that it has their section from the start.
    for (const { label, ...init } of data) {
      const channel = pc.createDataChannel(label, { negotiated: true, ...init });
      channel.addEventListener('message', ({ data: json }) =>
        this.#tell(() => this.#handlers.onmessage?.(JSON.parse(json))),
      );
      this.#channels.set(label, channel);
    }
    return pc;
  }

  /** Hands in the answer until it has arrived: the server takes a repeated one alike. */
  async #confirm() {
    const answer = this.#unconfirmed;
    if (!answer) return;
    const isWanted = () => this.#unconfirmed === answer;
    try {
      const { next } = await this.#insist(() => this.#signaling.answer(answer), isWanted);
      if (isWanted()) this.#unconfirmed = null;
      this.#receive(next);
    } catch (error) {
      if (!isWanted()) return;
      this.#unconfirmed = null;
      if (OVERTAKEN.has(codeOf(error))) void this.#recover('none');
      else if (!this.#heed(error)) {
        this.#problem(error);
        void this.#recover('all');
      }
    }
  }

  /** @param {{ info: TrackInfo, track: MediaStreamTrack }[]} tracks all there are now */
  #show(tracks) {
    const before = this.#received;
    this.#received = new Map(
      tracks.map(({ info, track }) => {
        const known = before.get(info.consumerId);
        return [info.consumerId, { info, track, shown: known?.shown ?? false }];
      }),
    );
    for (const received of this.#received.values()) {
      const { info, track } = received;
      const show = () => {
        const current = this.#received.get(info.consumerId);
        if (!current || current.shown) return;
        current.shown = true;
        this.#tell(() => this.#handlers.ontrack?.(info, track));
      };
      // While a track and its successor are both here, the old one stays on the screen until the new one has media.
      if (info.replaces && this.#received.has(info.replaces) && track.muted) {
        track.addEventListener('unmute', show, { once: true });
      } else show();
    }
    const left = new Set(tracks.map(({ info }) => info.trackId));
    for (const { info } of before.values()) {
      if (left.has(info.trackId)) continue;
      left.add(info.trackId);
      this.#tell(() => this.#handlers.ontrackended?.(info));
    }
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends JSON to users of the room, at most 16 KiB.
   *
   * @param {unknown} data @param {{ to?: string[], lossy?: boolean }} [options] `to`: their ids, default everyone else;
   *   `lossy`: rather lost than late
   * @throws Error while there is no connection
   */
  sendMessage(data, { to, lossy = false } = {}) {
    const channel = this.#channels.get(lossy ? 'server-lossy' : 'server');
    if (channel?.readyState !== 'open') throw new Error('There is no open data channel');
    channel.send(JSON.stringify({ data, ...(to ? { to } : {}) }));
  }

  // ── Trouble ──────────────────────────────────────────────────────────────────────────────────

  /** To be called when your signaling channel is back after it was lost: offers may have been missed. */
  signalingRestored() {
    return this.#recover('none');
  }

  /** New ICE credentials for both PeerConnections. It happens by itself where it is needed. */
  restartIce() {
    return this.#recover('ice');
  }

  /** Both PeerConnections anew. It happens by itself where it is needed. */
  restart() {
    return this.#recover('all');
  }

  #newConnection() {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.#iceServers });
    pc.addEventListener('connectionstatechange', () => this.#connectionChanged());
    return pc;
  }

  /** One that was never used has nothing to heal. */
  get #used() {
    return [this.#pub, this.#sub].flatMap((pc) => (pc?.remoteDescription ? [pc.connectionState] : []));
  }

  get #isConnected() {
    return !this.#waiting && !this.#applying && this.#used.every((state) => state === 'connected');
  }

  #connectionChanged() {
    if (this.#state === 'ended') return;
    const states = this.#used;
    if (states.includes('failed')) void this.#recover('ice');
    if (!states.includes('disconnected')) {
      clearTimeout(this.#disconnectedTimer);
      this.#disconnectedTimer = undefined;
    } else {
      this.#disconnectedTimer ??= setTimeout(() => {
        this.#disconnectedTimer = undefined;
        void this.#recover('ice');
      }, DISCONNECTED_MS);
    }
    if (states.includes('disconnected') || states.includes('failed')) this.#setState('reconnecting');
    else if (this.#isConnected && this.#state !== 'new') this.#setState('connected');
  }

  /**
   * Goes on after something was lost: first with what is there, then with new PeerConnections, then with a new session;
   * without a network, for as long as it takes. One at a time. A suspended tab needs nothing else: its timers and events
   * come as soon as it runs again.
   *
   * @param {Reset} least what to begin with
   */
  async #recover(least) {
    if (this.#recovering || this.#state === 'ended' || this.#state === 'new') return;
    this.#recovering = true;
    if (least !== 'none') this.#setState('reconnecting');
    let reset = least;
    for (let tries = 1; !this.#over; tries += 1) {
      try {
        await this.#serially(() => (this.#sessionId ? this.#resume(reset) : this.#join()));
        if (reset === 'none' || (await this.#connects())) break;
        reset = 'all';
      } catch (error) {
        if (this.#over) break;
        if (this.#sessionId && GONE.has(codeOf(error))) this.#sessionId = '';
        else if (!mayWorkLater(error) && reset !== 'all') reset = 'all';
        else {
          if (!mayWorkLater(error) || tries === 2) this.#problem(error);
          await sleep(pauseAfter(tries));
        }
      }
    }
    this.#recovering = false;
    this.#connectionChanged();
  }

  /** A method cannot tell the compiler that it waits, and that the state may have changed meanwhile. */
  get #over() {
    return this.#state === 'ended';
  }

  /** @returns {Promise<boolean>} whether both are connected within a time */
  async #connects() {
    for (const end = Date.now() + CONNECT_MS; Date.now() < end && !this.#over; await sleep(100)) {
      if (this.#isConnected) return true;
    }
    return false;
  }

  #join() {
    // Its generations count from 1 again.
    this.#applied = { generation: 0, revision: 0 };
    this.#waiting = null;
    this.#unconfirmed = null;
    return this.#enter((body) => this.#signaling.join(body));
  }

  /** @param {Reset} reset */
  async #resume(reset) {
    const sessionId = this.#sessionId;
    if (reset === 'all') {
      await this.#enter((body) => this.#signaling.resume({ sessionId, reset, ...body }));
      return;
    }
    const pub = reset === 'ice' && this.#pub?.remoteDescription ? this.#pub : null;
    try {
      const publish = pub && (await this.#makeOffer(pub, { iceRestart: true }));
      const answer = await this.#call(() =>
        this.#signaling.resume({ sessionId, reset, ...(publish ? { publish } : {}) }),
      );
      if (pub && publish && answer.publish) await this.#published(pub, publish, answer.publish);
      this.#receive(answer.subscribe);
    } catch (error) {
      // Without an answer the server may have taken the offer; the next one goes on from there.
      if (pub && !mayWorkLater(error)) await rollBack(pub);
      throw error;
    }
  }

  /**
   * A join, or a resume with new PeerConnections.
   *
   * @param {(body: { capabilitiesSdp: string, publish?: Publish }) => Promise<JoinAnswer>} ask
   */
  async #enter(ask) {
    this.#pub?.close();
    const pub = this.#newConnection();
    this.#pub = pub;
    this.#pubGeneration = 0;
    this.#idle.clear();
    // The first section carries the transport of all, and stopping it would restart ICE and DTLS. So it is one that
    // never stops: it sends nothing.
    pub.addTransceiver('audio', { direction: 'inactive' });
    for (const [source, sending] of this.#sending) await this.#addTransceiver(pub, source, sending);
    const capabilitiesSdp = await receiveCapabilities();

    // The offer goes along with the call, which saves a round trip. It becomes the local description when the answer is
    // here: that starts ICE, and the ICE servers come with the answer. Until then transceivers have no mid; the sections
    // are in the order in which they were added.
    const offer = this.#sending.size > 0 ? await pub.createOffer() : null;
    const sdp = offer?.sdp ?? '';
    const mids = [...sdp.matchAll(/^a=mid:(\S+)/gm)].map((match) => match[1] ?? '');
    const tracks = this.#publishTracks((transceiver) => mids[pub.getTransceivers().indexOf(transceiver)] ?? '');
    const publish = { sdp, tracks };
    const body = { capabilitiesSdp, ...(offer ? { publish } : {}) };
    const answer = await this.#call(() => ask(body)).catch((error) => {
      // What is sent meanwhile waits for the next attempt.
      pub.close();
      this.#pub = null;
      throw error;
    });

    this.#sessionId = answer.user.sessionId;
    this.#store(this.#sessionId);
    this.#iceServers = answer.iceServers;
    pub.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: this.#iceServers });
    if (offer && answer.publish) {
      await pub.setLocalDescription(offer);
      await this.#published(pub, publish, answer.publish);
    }
    this.#receive(answer.subscribe);
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────

  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  #serially(work) {
    const result = this.#queue.then(() => {
      if (this.#over) throw new Error('The call has ended');
      return work();
    });
    this.#queue = result.catch((error) => this.#heed(error));
    return result;
  }

  /**
   * One call to the backend. Rejects with `retryable: true` if there was no answer.
   *
   * @template T @param {() => Promise<T>} ask @returns {Promise<T>}
   */
  async #call(ask) {
    const answer = await ask().catch((error) => {
      if (codeOf(error) !== '') throw error;
      throw Object.assign(new Error('There was no answer', { cause: error }), { retryable: true });
    });
    if (!answer) throw new TypeError("Signaling has to resolve with the server's answer");
    return answer;
  }

  /**
   * Repeats a call that got no answer, as the server answers the same again alike.
   *
   * @template T @param {() => Promise<T>} ask @param {(tries: number) => boolean} isWanted @returns {Promise<T>}
   */
  async #insist(ask, isWanted) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#call(ask);
      } catch (error) {
        if (!mayWorkLater(error) || this.#over || !isWanted(tries)) throw error;
        if (tries === 2) this.#problem(error); // One lost call is nothing to tell.
        await sleep(pauseAfter(tries));
      }
    }
  }

  /** What a refusal says about the whole call. @param {unknown} error @returns {boolean} whether it says anything */
  #heed(error) {
    const code = codeOf(error);
    if (code === REPLACED) {
      if (!this.#over) this.#tell(() => this.#handlers.onreplaced?.());
      this.close();
    } else if (GONE.has(code)) void this.#recover('none');
    else if (DIFFERS.has(code)) void this.#recover('all');
    else return false;
    return true;
  }

  /** What a handler of the app throws does not stop the call. @param {() => void} call */
  #tell(call) {
    try {
      call();
    } catch (error) {
      this.#problem(error);
    }
  }

  /** @param {State} state */
  #setState(state) {
    if (this.#state === state || this.#state === 'ended') return;
    this.#state = state;
    this.#tell(() => this.#handlers.onstate?.(state));
  }

  /** @param {unknown} error */
  #problem(error) {
    // Later, so that what it throws is the page's alone.
    if (!this.#over) queueMicrotask(() => this.#handlers.onproblem?.(error));
  }

  /** `sessionStorage` belongs to one tab and outlives its reload; a page may be denied it. */
  #stored() {
    try {
      return this.#options.storageKey ? globalThis.sessionStorage?.getItem(this.#options.storageKey) : null;
    } catch {
      return null;
    }
  }

  /** @param {string | null} sessionId */
  #store(sessionId) {
    const { storageKey } = this.#options;
    if (!storageKey) return;
    try {
      if (sessionId === null) globalThis.sessionStorage?.removeItem(storageKey);
      else globalThis.sessionStorage?.setItem(storageKey, sessionId);
    } catch {
      // Without it a discarded tab joins anew.
    }
  }
}

/** @param {Sending} sending @returns {RTCRtpTransceiverDirection} */
const directionOf = ({ paused }) => (paused ? 'inactive' : 'sendonly');

/** What this browser can receive, in its own words: an offer that is never used. */
async function receiveCapabilities() {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('audio', { direction: 'recvonly' });
  pc.addTransceiver('video', { direction: 'recvonly' });
  const { sdp = '' } = await pc.createOffer();
  pc.close();
  return sdp;
}

/** @param {{ generation: number, revision: number }} a @param {{ generation: number, revision: number }} b */
function isNewer(a, b) {
  return a.generation > b.generation || (a.generation === b.generation && a.revision > b.revision);
}

/** @param {RTCPeerConnection} pc */
async function rollBack(pc) {
  if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' });
  if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback' });
}

/** Not in every list of DOM types. @param {RTCRtpEncodingParameters & { scalabilityMode?: string }} encoding */
const modeOf = ({ scalabilityMode }) => scalabilityMode;

/** RFC 7587 §6.1: a receiver asks for stereo in its own description. @param {string} sdp @returns {string} */
function withStereo(sdp) {
  const opus = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\//gim)].map((match) => match[1] ?? '');
  return opus.reduce(
    (text, type) => text.replaceAll(new RegExp(`^(a=fmtp:${type} (?!.*[ ;]stereo=).*?)(\\r?)$`, 'gm'), '$1;stereo=1$2'),
    sdp,
  );
}

/** @param {unknown} error @returns {string} the API's code; '' if there was no answer. A DOMException's is a number. */
function codeOf(error) {
  const isCoded = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';
  return isCoded ? String(error.code) : '';
}

/** @param {unknown} error */
function mayWorkLater(error) {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}

/** @param {number} tries that failed */
const pauseAfter = (tries) => Math.min(RETRY_MS.first * 2 ** (tries - 1), RETRY_MS.most);

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
