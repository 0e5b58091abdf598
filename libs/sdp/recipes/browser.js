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
 * Your channel to your backend. Bodies and answers are those of the media server's API. A call that fails rejects: with
 * the `code` and `retryable` of the problem it was answered with, or without a `code` if there was no answer.
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
 * @property {(listener: (offer: Offer) => void) => void} onOffer `listener` is to be called with the `subscribe` of each
 *   webhook `subscribe.offer` for this session. Late, doubled or lost ones do no harm.
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
 * @typedef {{ track: MediaStreamTrack, options: SendOptions, transceiver: RTCRtpTransceiver | null }} Sending
 * @typedef {{ info: TrackInfo, track: MediaStreamTrack, shown: boolean }} Received
 */

/** The session is over on the server: only a new join helps. */
const GONE = new Set(['session_gone', 'stale_session', 'user_not_found', 'room_not_found']);
/** The offer that was answered is not current any more: the current one is asked for. */
const OVERTAKEN = new Set(['stale_negotiation', 'no_negotiation']);
/** `disconnected` often mends itself within this time. */
const DISCONNECTED_MS = 3_000;
/** So long a new attempt has to connect. */
const CONNECT_MS = 10_000;
const RETRY_MS = { first: 500, most: 8_000 };

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
    signaling.onOffer((offer) => this.#receive(offer));
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
    if (this.#state !== 'ended' && this.#sessionId) void this.#signaling.leave();
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
   * being sent, the track takes the place of the one before, without negotiation.
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
      try {
        this.#addTransceiver(this.#pub, source, sending);
        await this.#publish();
      } catch (error) {
        this.#sending.delete(source);
        await idle(sending.transceiver);
        throw error;
      }
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
      const transceiver = this.#sending.get(source)?.transceiver;
      if (!transceiver) throw new Error(`${source} is not sent`);
      transceiver.direction = paused ? 'inactive' : 'sendonly';
      await this.#publish();
    });
  }

  /** @param {RTCPeerConnection} pc @param {string} source @param {Sending} sending */
  #addTransceiver(pc, source, sending) {
    const encodings = sending.options.encodings ?? ENCODINGS[source] ?? [];
    sending.transceiver = pc.addTransceiver(sending.track, {
      direction: 'sendonly',
      // A copy, since some browsers write into what they are given.
      ...(encodings.length > 0 ? { sendEncodings: structuredClone(encodings) } : {}),
    });
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

  /** Offers all that is sent. If it is refused, both sides are as before. */
  async #publish() {
    const pc = this.#pub;
    if (!pc) return;
    const offer = await this.#makeOffer(pc);
    for (let wait = RETRY_MS.first; ; wait = later(wait)) {
      try {
        await this.#published(pc, await this.#signaling.publish(offer));
        return;
      } catch (error) {
        if (this.#over) throw error;
        if (!mayWorkLater(error)) {
          await rollBack(pc);
          throw error;
        }
        // Without an answer nobody knows whether the server has taken the offer: the same again is answered alike.
        await sleep(wait);
      }
    }
  }

  /** @param {RTCPeerConnection} pc @param {RTCOfferOptions} [options] @returns {Promise<Publish>} */
  async #makeOffer(pc, options) {
    await pc.setLocalDescription(await pc.createOffer(options));
    const tracks = this.#publishTracks(({ mid }) => mid ?? '');
    const generation = this.#pubGeneration > 0 ? { generation: this.#pubGeneration } : {};
    return { sdp: pc.localDescription?.sdp ?? '', tracks, ...generation };
  }

  /** @param {RTCPeerConnection} pc @param {PublishAnswer} answer */
  async #published(pc, { generation, sdp, sections }) {
    await pc.setRemoteDescription({ type: 'answer', sdp });
    this.#pubGeneration = generation;
    for (const { status, source, code } of sections) {
      if (status === 'rejected') this.#problem(Object.assign(new Error(`${source} was not taken`), { code }));
    }
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
    try {
      while (this.#waiting && this.#state !== 'ended') {
        const offer = this.#waiting;
        this.#waiting = null;
        await this.#applyOffer(offer);
        void this.#confirm();
      }
    } catch (error) {
      this.#problem(error);
    } finally {
      this.#applying = false;
    }
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
      channel.addEventListener('message', (event) => this.#handlers.onmessage?.(JSON.parse(event.data)));
      this.#channels.set(label, channel);
    }
    return pc;
  }

  /** Hands in the answer until it has arrived: the server takes a repeated one alike. */
  async #confirm() {
    const answer = this.#unconfirmed;
    if (!answer) return;
    for (let wait = RETRY_MS.first; this.#unconfirmed === answer && !this.#over; wait = later(wait)) {
      try {
        const { next } = await this.#signaling.answer(answer);
        if (this.#unconfirmed === answer) this.#unconfirmed = null;
        this.#receive(next);
      } catch (error) {
        if (mayWorkLater(error)) {
          await sleep(wait);
          continue;
        }
        if (this.#unconfirmed === answer) this.#unconfirmed = null;
        if (OVERTAKEN.has(codeOf(error))) void this.#recover('none');
        else this.#problem(error);
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
        this.#handlers.ontrack?.(info, track);
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
      this.#handlers.ontrackended?.(info);
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

  /** @returns {Set<string>} */
  #connectionStates() {
    const used = [this.#pub?.remoteDescription ? this.#pub : null, this.#sub];
    return new Set(used.flatMap((pc) => pc?.connectionState ?? []));
  }

  #connectionChanged() {
    if (this.#state === 'ended') return;
    const states = this.#connectionStates();
    if (states.has('failed')) void this.#recover('ice');
    if (!states.has('disconnected')) {
      clearTimeout(this.#disconnectedTimer);
      this.#disconnectedTimer = undefined;
    } else this.#disconnectedTimer ??= setTimeout(() => void this.#recover('ice'), DISCONNECTED_MS);
    if (states.has('disconnected') || states.has('failed')) this.#setState('reconnecting');
    else if (isConnected(states)) this.#setState('connected');
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
    for (let wait = RETRY_MS.first; !this.#over; wait = later(wait)) {
      try {
        await this.#serially(() => (this.#sessionId ? this.#resume(reset) : this.#join()));
        if (reset === 'none' || (await this.#connects())) break;
        reset = 'all';
      } catch (error) {
        if (this.#over) break;
        if (GONE.has(codeOf(error))) this.#sessionId = '';
        else if (mayWorkLater(error)) await sleep(wait);
        else if (reset !== 'all') reset = 'all';
        else {
          this.#problem(error);
          await sleep(wait);
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
      if (isConnected(this.#connectionStates())) return true;
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
      const answer = await this.#signaling.resume({ sessionId, reset, ...(publish ? { publish } : {}) });
      if (pub && answer.publish) await this.#published(pub, answer.publish);
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
    // The first section carries the transport of all, and stopping it would restart ICE and DTLS. So it is one that
    // never stops: it sends nothing.
    pub.addTransceiver('audio', { direction: 'inactive' });
    for (const [source, sending] of this.#sending) this.#addTransceiver(pub, source, sending);
    const capabilitiesSdp = await receiveCapabilities();

    // The offer goes along with the call, which saves a round trip. It becomes the local description when the answer is
    // here: that starts ICE, and the ICE servers come with the answer. Until then transceivers have no mid; the sections
    // are in the order in which they were added.
    const offer = this.#sending.size > 0 ? await pub.createOffer() : null;
    const sdp = offer?.sdp ?? '';
    const mids = [...sdp.matchAll(/^a=mid:(\S+)/gm)].map((match) => match[1] ?? '');
    const tracks = this.#publishTracks((transceiver) => mids[pub.getTransceivers().indexOf(transceiver)] ?? '');
    const answer = await ask({ capabilitiesSdp, ...(offer ? { publish: { sdp, tracks } } : {}) }).catch((error) => {
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
      await this.#published(pub, answer.publish);
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
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** @param {State} state */
  #setState(state) {
    if (this.#state === state || this.#state === 'ended') return;
    this.#state = state;
    this.#handlers.onstate?.(state);
  }

  /** @param {unknown} error */
  #problem(error) {
    if (!this.#over) this.#handlers.onproblem?.(error);
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

/** @param {Set<string>} states */
function isConnected(states) {
  return states.size === 1 && states.has('connected');
}

/** @param {RTCPeerConnection} pc */
async function rollBack(pc) {
  if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' });
  if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback' });
}

/** Stopped after its offer was rolled back, libwebrtc would give it the section of the next. @param {RTCRtpTransceiver | null} transceiver */
async function idle(transceiver) {
  if (!transceiver) return;
  transceiver.direction = 'inactive';
  await transceiver.sender.replaceTrack(null);
}

/** Not in every list of DOM types. @param {RTCRtpEncodingParameters & { scalabilityMode?: string }} encoding */
const modeOf = ({ scalabilityMode }) => scalabilityMode;

/** RFC 7587 §6.1: a receiver asks for stereo in its own description. @param {string} sdp @returns {string} */
function withStereo(sdp) {
  const opus = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\//gim)].map((match) => match[1] ?? '');
  return opus.reduce(
    (text, type) => text.replaceAll(new RegExp(`^(a=fmtp:${type} (?!.*\\bstereo=).*?)(\\r?)$`, 'gm'), '$1;stereo=1$2'),
    sdp,
  );
}

/** @param {unknown} error @returns {string} the API's code; '' if there was no answer */
function codeOf(error) {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Without a code there was no answer, unless the browser itself refused. @param {unknown} error */
function mayWorkLater(error) {
  if (typeof error === 'object' && error !== null && 'retryable' in error) return error.retryable === true;
  return codeOf(error) === '';
}

/** @param {number} wait */
const later = (wait) => Math.min(wait * 2, RETRY_MS.most);

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
