/**
 * A call with plain WebRTC: two connections with fixed roles.
 *
 *   send     we offer, the server answers      camera, microphone, screen
 *   receive  the server offers, we answer      everything of everybody else
 *
 * So an offer of ours and an offer of the server never cross. Nothing here reads or changes SDP.
 */
import { join, Problem, SessionApi } from './api.js';
import { RoomState } from './room-state.js';

/** @type {Record<string, RTCRtpEncodingParameters[]>} */
const ENCODINGS = {
  microphone: [{ maxBitrate: 48_000 }],
  camera: [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
  ],
  screen: [{ maxBitrate: 2_500_000 }],
  'screen-audio': [{ maxBitrate: 96_000 }],
};
/** Of a picture lower than this, browsers send two sizes at most; of three they would leave out the largest. */
const THREE_SIZES_FROM = 540;

/**
 * How a source is sent. The camera goes out in several sizes, smallest first, of which the server
 * hands each receiver the one that fits.
 *
 * @param {string} source @param {MediaStreamTrack} track @returns {RTCRtpEncodingParameters[]}
 */
function encodingsFor(source, track) {
  const encodings = ENCODINGS[source] ?? [{}];
  const { width = 0, height = 0 } = track.getSettings();
  if (source !== 'camera' || Math.min(width, height) >= THREE_SIZES_FROM) return encodings;
  return encodings
    .slice(0, 2)
    .map((size) => ({ ...size, scaleResolutionDownBy: (size.scaleResolutionDownBy ?? 1) / 2 }));
}

/**
 * @typedef {import('./api.js').Offer} Offer
 * @typedef {{ person: MediaStream, screen: MediaStream }} Streams what is in one stream is kept in sync
 * @typedef {import('./api.js').OfferedTrack & { media: MediaStreamTrack, receiver: RTCRtpReceiver }} RemoteTrack
 */

/**
 * Emits `change` when the room, the remote tracks or the connection changed; `fact` with each event
 * of the room; `problem` when something failed that the call survives; `ended` `{reason}` once.
 */
export class Call extends EventTarget {
  room = new RoomState();
  /** @type {Map<string, RemoteTrack>} what we receive, by trackId */
  remote = new Map();
  /** @type {'connecting' | 'connected' | 'reconnecting'} */
  connection = 'connecting';

  #api;
  #answer;
  #ended = false;
  #listening = true;

  /** The connection we send on. */
  #send;
  /** @type {Map<string, RTCRtpTransceiver>} by source */
  #senders;
  /** @type {Map<string, string>} source → trackId */
  #trackIds = new Map();
  /** @type {Promise<unknown>} publishing and muting happen one after the other */
  #sending = Promise.resolve();
  #streams;

  /** @type {RTCPeerConnection | null} The connection we receive on; made by the first offer. */
  #receive = null;
  /** @type {{ generation: number, revision: number }} of the offer that was applied last */
  #applied = { generation: 0, revision: 0 };
  /** @type {Offer | null} the newest offer that is not applied yet */
  #waiting = null;
  /** @type {{ negotiationId: string, sdp: string } | null} an answer that the server has not confirmed */
  #unconfirmed = null;
  #applying = false;

  /**
   * @param {{ roomId: string, name: string, identity: string | null, tracks: Map<string, MediaStreamTrack> }} options
   * @returns {Promise<Call>}
   */
  static async join({ roomId, name, identity, tracks }) {
    if (typeof RTCPeerConnection === 'undefined') throw new Problem({ code: 'unsupported' });
    const send = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    try {
      const capabilitiesSdp = await receiveCapabilities();
      const sources = [...tracks.keys()];
      const streams = { person: new MediaStream(), screen: new MediaStream() };
      const senders = new Map(
        [...tracks].map(([source, track]) => [source, addTransceiver(send, source, track, streams)]),
      );

      // The offer goes along with the join, which saves a round trip. It becomes the local
      // description only when the answer is here, because that starts ICE, and the ICE servers come
      // with the answer too. Until then a transceiver has no mid; the offer's sections are in the
      // order in which the transceivers were added.
      const offer = sources.length > 0 ? await send.createOffer() : null;
      const mids = [...(offer?.sdp ?? '').matchAll(/^a=mid:(\S+)/gm)].map((match) => match[1] ?? '');
      const publish = offer && {
        sdp: offer.sdp ?? '',
        tracks: sources.map((source, i) => ({ mid: mids[i] ?? '', source })),
      };

      const answer = await join(roomId, { name, identity, capabilitiesSdp, ...(publish ? { publish } : {}) });
      const call = new Call(answer, send, senders, streams);
      try {
        send.setConfiguration({ bundlePolicy: 'max-bundle', iceServers: answer.iceServers });
        if (offer && answer.publish) {
          await send.setLocalDescription(offer);
          await call.#published(answer.publish);
        }
      } catch (error) {
        call.leave();
        throw error;
      }
      call.#start();
      return call;
    } catch (error) {
      send.close();
      throw error;
    }
  }

  /**
   * @private
   * @param {import('./api.js').JoinAnswer} answer @param {RTCPeerConnection} send
   * @param {Map<string, RTCRtpTransceiver>} senders @param {Streams} streams
   */
  constructor(answer, send, senders, streams) {
    super();
    this.#answer = answer;
    this.#send = send;
    this.#senders = senders;
    this.#streams = streams;
    this.#api = new SessionApi(answer.token);
  }

  /** Who we are: the server's view of this session. */
  get user() {
    return this.#answer.user;
  }

  /** Lets this page come back as the same user. */
  get identity() {
    return this.#answer.identity;
  }

  get over() {
    return this.#ended;
  }

  /** For debugging and measurements only: the two RTCPeerConnections. */
  get peerConnections() {
    return { send: this.#send, receive: this.#receive };
  }

  /** @param {string} source @returns {string | undefined} */
  trackIdOf(source) {
    return this.#trackIds.get(source);
  }

  #start() {
    this.#send.addEventListener('connectionstatechange', () => this.#connectionChanged());
    if (this.#answer.subscribe) this.#receiveOffer(this.#answer.subscribe);
    void this.#api.listen({
      event: (type, data) => this.#event(type, data),
      broken: () => {
        this.#listening = false;
        this.#connectionChanged();
      },
      refused: (problem) => this.#end(problem.code),
    });
    this.#connectionChanged();
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────

  /**
   * Starts to send a track, or sends it in place of what the source sent before, which needs no
   * negotiation.
   *
   * @param {string} source @param {MediaStreamTrack} track
   */
  send(source, track) {
    return this.#serially(async () => {
      const existing = this.#senders.get(source);
      if (existing) {
        await existing.sender.replaceTrack(track);
        await this.#tellMuted(source, false);
        return;
      }
      const transceiver = addTransceiver(this.#send, source, track, this.#streams);
      this.#senders.set(source, transceiver);
      try {
        await this.#publish();
      } catch (error) {
        this.#senders.delete(source);
        transceiver.stop();
        throw error;
      }
    });
  }

  /** Stops to send for a while; the others see it as muted. Not in SDP: that is what `muted` is for. @param {string} source */
  pause(source) {
    return this.#serially(async () => {
      await this.#senders.get(source)?.sender.replaceTrack(null);
      await this.#tellMuted(source, true);
    });
  }

  /** The microphone keeps its (silenced) track: speaking again is then instant. @param {string} source @param {boolean} muted */
  setMuted(source, muted) {
    return this.#serially(() => this.#tellMuted(source, muted));
  }

  /** Stops sources for good: their sections close with the next offer. @param {string[]} sources */
  unpublish(sources) {
    return this.#serially(async () => {
      const known = sources.filter((source) => this.#senders.has(source));
      for (const source of known) {
        this.#senders.get(source)?.stop();
        this.#senders.delete(source);
        this.#trackIds.delete(source);
      }
      if (known.length > 0) await this.#publish();
    });
  }

  /** Offers all that we send. On failure both sides are as before. */
  async #publish() {
    const pc = this.#send;
    await pc.setLocalDescription(await pc.createOffer());
    try {
      const tracks = [...this.#senders].map(([source, { mid }]) => ({ mid: mid ?? '', source }));
      await this.#published(await this.#api.publish({ sdp: pc.localDescription?.sdp ?? '', tracks }));
    } catch (error) {
      if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' });
      throw error;
    }
    this.#changed();
  }

  /** @param {import('./api.js').PublishAnswer} answer */
  async #published(answer) {
    await this.#send.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    for (const { source, trackId, status, code } of answer.sections) {
      if (source && trackId && status !== 'closed') this.#trackIds.set(source, trackId);
      if (status === 'rejected') this.#problem(new Problem({ code: code ?? 'rejected' }));
    }
  }

  /** @param {string} source @param {boolean} muted */
  async #tellMuted(source, muted) {
    const trackId = this.#trackIds.get(source);
    if (trackId) await this.#api.setMuted(trackId, muted);
  }

  /** @template T @param {() => Promise<T>} action @returns {Promise<T>} */
  #serially(action) {
    const result = this.#sending.then(action);
    this.#sending = result.catch(() => {});
    return result;
  }

  // ── Receiving ────────────────────────────────────────────────────────────────────────────────

  /** Offers come with the join, with an answer, as an event, or by asking: late, doubled or not at all. @param {Offer} offer */
  #receiveOffer(offer) {
    if (isNewer(offer, this.#applied)) {
      if (!this.#waiting || isNewer(offer, this.#waiting)) this.#waiting = offer;
    } else if (offer.negotiationId === this.#unconfirmed?.negotiationId) {
      // It is pushed again because our answer did not get through.
      void this.#confirm().catch((error) => this.#problem(error));
    }
    void this.#applyWaiting();
  }

  async #applyWaiting() {
    if (this.#applying) return;
    this.#applying = true;
    try {
      while (this.#waiting && !this.#ended) {
        const offer = this.#waiting;
        this.#waiting = null;
        await this.#applyOffer(offer);
      }
    } catch (error) {
      this.#problem(error);
    } finally {
      this.#applying = false;
    }
  }

  /** @param {Offer} offer */
  async #applyOffer(offer) {
    if (!this.#receive || offer.generation !== this.#applied.generation) this.#renewReceive();
    const pc = /** @type {RTCPeerConnection} */ (this.#receive);
    try {
      await pc.setRemoteDescription({ type: 'offer', sdp: offer.sdp });
      await pc.setLocalDescription(await pc.createAnswer());
    } catch (error) {
      if (pc.signalingState === 'have-remote-offer') await pc.setRemoteDescription({ type: 'rollback' });
      throw error;
    }
    this.#applied = { generation: offer.generation, revision: offer.revision };
    this.#showTracks(offer, pc);
    this.#unconfirmed = { negotiationId: offer.negotiationId, sdp: pc.localDescription?.sdp ?? '' };
    await this.#confirm();
  }

  async #confirm() {
    const answer = this.#unconfirmed;
    if (!answer) return;
    try {
      const { next } = await this.#api.answer(answer);
      if (this.#unconfirmed === answer) this.#unconfirmed = null;
      if (next) this.#receiveOffer(next);
    } catch (error) {
      if (!(error instanceof Problem) || !OVERTAKEN.has(error.code)) throw error;
      // A newer offer has overtaken the one we answered.
      if (this.#unconfirmed === answer) this.#unconfirmed = null;
      await this.#fetchOffer();
    }
  }

  async #fetchOffer() {
    const offer = await this.#api.currentOffer();
    if (offer) this.#receiveOffer(offer);
  }

  /** `tracks` says whose each section is. @param {Offer} offer @param {RTCPeerConnection} pc */
  #showTracks(offer, pc) {
    const byMid = new Map(pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]));
    this.remote = new Map();
    for (const track of offer.tracks) {
      const receiver = byMid.get(track.mid)?.receiver;
      if (receiver) this.remote.set(track.trackId, { ...track, receiver, media: receiver.track });
    }
    this.#changed();
  }

  /** A new generation means a new connection. */
  #renewReceive() {
    this.#receive?.close();
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.#answer.iceServers });
    pc.addEventListener('connectionstatechange', () => this.#connectionChanged());
    this.#receive = pc;
  }

  // ── The room ─────────────────────────────────────────────────────────────────────────────────

  /** @param {string} type @param {any} data */
  #event(type, data) {
    if (this.#ended) return;
    switch (type) {
      case 'room':
        // Sent whenever the stream opens. What happened while it was closed is in it, but an offer
        // may have been missed.
        this.#listening = true;
        this.room.reset(data);
        if (this.room.users.get(this.user.userId)?.sessionId !== this.user.sessionId) this.#end('connection_lost');
        else this.#fetchOffer().catch((error) => this.#problem(error));
        this.#connectionChanged();
        break;
      case 'fact':
        if (this.room.apply(data)) {
          this.dispatchEvent(new CustomEvent('fact', { detail: data }));
          this.#changed();
        }
        break;
      case 'offer':
        this.#receiveOffer(data);
        break;
      case 'ended':
        this.#end(data.reason);
        break;
      default:
    }
  }

  #connectionChanged() {
    const used = [this.#send, this.#receive].filter((pc) => pc?.remoteDescription);
    const states = new Set(used.map((pc) => pc?.connectionState));
    if (states.has('failed')) this.#end('media_failed');
    if (states.has('disconnected') || !this.#listening) this.connection = 'reconnecting';
    else if ([...states].every((state) => state === 'connected')) this.connection = 'connected';
    // Otherwise one of the two is on its way; what was said last still holds.
    this.#changed();
  }

  // ── The end ──────────────────────────────────────────────────────────────────────────────────

  leave() {
    this.#api.leave();
    this.#end('left');
  }

  /** @param {string} reason */
  #end(reason) {
    if (this.#ended) return;
    this.#ended = true;
    this.#api.close();
    this.#send.close();
    this.#receive?.close();
    this.remote = new Map();
    this.dispatchEvent(new CustomEvent('ended', { detail: { reason } }));
  }

  #changed() {
    if (!this.#ended) this.dispatchEvent(new Event('change'));
  }

  /** @param {unknown} error */
  #problem(error) {
    if (this.#ended) return;
    if (error instanceof Problem && GONE.has(error.code)) this.#end('connection_lost');
    else this.dispatchEvent(new CustomEvent('problem', { detail: error }));
  }
}

/** The answer came too late: ask for the current offer. */
const OVERTAKEN = new Set(['stale_negotiation', 'no_negotiation']);
/** The session is over, and the event that says so has not come (yet). */
const GONE = new Set(['session_gone', 'stale_session', 'user_not_found', 'room_not_found', 'unknown_session']);

/** @param {{ generation: number, revision: number }} a @param {{ generation: number, revision: number }} b */
export function isNewer(a, b) {
  return a.generation > b.generation || (a.generation === b.generation && a.revision > b.revision);
}

/** @param {RTCPeerConnection} pc @param {string} source @param {MediaStreamTrack} track @param {Streams} streams */
function addTransceiver(pc, source, track, streams) {
  return pc.addTransceiver(track, {
    direction: 'sendonly',
    streams: [source.startsWith('screen') ? streams.screen : streams.person],
    sendEncodings: encodingsFor(source, track),
  });
}

/** What this browser can receive, in its own words: an offer that is never used. */
async function receiveCapabilities() {
  const pc = new RTCPeerConnection();
  pc.addTransceiver('audio', { direction: 'recvonly' });
  pc.addTransceiver('video', { direction: 'recvonly' });
  const offer = await pc.createOffer();
  pc.close();
  return offer.sdp ?? '';
}
