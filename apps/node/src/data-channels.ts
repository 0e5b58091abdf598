import type { DataProducer, DirectTransport, Router, WebRtcTransport, WebRtcTransportOptions } from 'mediasoup/types';
import {
  dataChannels,
  MAX_DATA_MESSAGE_BYTES,
  type DataChannel,
  type DataMessage,
  type MessageError,
  type SessionRecord,
} from '@mediaserver/contracts';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import { readClientMessage } from './client-message.ts';
import { RateLimit, type RateLimits } from './rate-limit.ts';

/** With what a transport is made that shall carry data channels. All sizes in bytes. */
export const SCTP_OPTIONS = {
  enableSctp: true,
  /** Larger ones are lost in the Worker; those between this and what is allowed are answered with an error. */
  maxReceiveMessageSize: 4 * MAX_DATA_MESSAGE_BYTES,
  maxSendMessageSize: 4 * MAX_DATA_MESSAGE_BYTES,
  sctpMaxReceiverWindowBufferSize: 256 * 1024,
  /** What waits in the Worker for a client that does not keep up, of one channel and of both. */
  sctpPerStreamSendQueueLimit: 512 * 1024,
  sctpSendBufferSize: 768 * 1024,
} as const satisfies Partial<WebRtcTransportOptions>;

/** What one session may send: a cursor 30 times a second, or a few large messages. */
const SENDING = { messages: { perSecond: 30, burst: 100 }, bytes: { perSecond: 16 * 1024, burst: 64 * 1024 } };
/**
 * What all sessions of a room may send together on one kind of channel, so that who can take that much keeps its
 * channels. A burst is half of what may wait for a client (`sctpPerStreamSendQueueLimit`).
 */
const ROOM = { messages: { perSecond: 500, burst: 2_000 }, bytes: { perSecond: 32 * 1024, burst: 256 * 1024 } };
/** Of what goes over it so much is still read and answered with an error. */
const REFUSALS = { messages: { perSecond: 10, burst: 50 }, bytes: { perSecond: 16 * 1024, burst: 128 * 1024 } };
/** A client that sends so much too much has its channels closed. */
const TOLERATED = { messages: { perSecond: 200, burst: 2_000 }, bytes: { perSecond: 2 ** 20, burst: 8 * 2 ** 20 } };
/** mediasoup's subchannels are 16 bits wide. */
const SUBCHANNELS = 2 ** 16;

type Label = (typeof dataChannels)[number]['label'];
const RELIABLE = 'server' satisfies Label;
const labelFor = (reliable: boolean): Label => (reliable ? RELIABLE : 'server-lossy');
const channels: readonly (DataChannel & { readonly label: Label })[] = dataChannels;

/** A message as it goes to whoever is to get it. */
export interface RoutedMessage {
  readonly reliable: boolean;
  /** userIds; null for everyone. */
  readonly to: readonly string[] | null;
  readonly message: DataMessage;
}

/** One session whose client has both channels. */
interface DataSession {
  readonly userId: string;
  readonly log: Logger;
  /** The mediasoup subchannel that only this session's DataConsumers are on. */
  readonly subchannel: number;
  readonly sending: RateLimit;
  readonly refusals: RateLimit;
  readonly tolerated: RateLimit;
  /** What was made on its transport. */
  readonly parts: Set<{ close(): void }>;
  /** Whether all of that is made. */
  isOpen: boolean;
}

/** The Room's end: what it sends by, to all sessions at once. */
interface Hub {
  readonly direct: DirectTransport;
  readonly producers: Readonly<Record<Label, DataProducer>>;
}

/**
 * The data channels of a Room's sessions on this node: `server` and `server-lossy` of each.
 *
 * What a client sends comes out of a DataConsumer on the Room's DirectTransport, as text. What goes to clients is sent
 * once, on one DataProducer per channel that every session consumes; the Worker copies it to those it is for, by
 * subchannel, and keeps what a client has not taken yet.
 *
 * Invariants:
 * 1. A session is in `#sessions` exactly while its channels may be open; they end with its transport at the latest.
 * 2. Every session has another subchannel. Nothing goes back to the session it came from.
 * 3. On `server` a session gets everything in order or loses the channel: there is never a gap.
 * 4. What a client can make this process do is bounded: by size before reading, by rate, and by closing.
 * 5. A transport gets channels once; an `open` that failed leaves none.
 * 6. What sessions here send passes only while the Room is within its rate; messages of other nodes count, too.
 */
export class DataChannels {
  readonly #router: Router;
  readonly #metrics: NodeMetrics;
  /** Takes a message to the room's other nodes. */
  readonly #forward: (routed: RoutedMessage) => void;
  readonly #sessions = new Map<number, DataSession>();
  readonly #opened = new WeakMap<WebRtcTransport, Promise<void>>();
  readonly #passing: Readonly<Record<Label, RateLimit>>;
  #hub: Promise<Hub> | null = null;
  #producers: Hub['producers'] | null = null;
  #nextSubchannel = 0;

  constructor(options: { router: Router; metrics: NodeMetrics; forward: (routed: RoutedMessage) => void }) {
    this.#router = options.router;
    this.#metrics = options.metrics;
    this.#forward = options.forward;
    const now = performance.now();
    this.#passing = { server: new RateLimit(ROOM, now), 'server-lossy': new RateLimit(ROOM, now) };
  }

  /**
   * Makes both channels on a session's transport; the client makes its ends itself (`negotiated: true`). The transport
   * must have been made with {@link SCTP_OPTIONS} and have no other channels. A second call for it does nothing; one
   * after a failure tries again, in vain if mediasoup had given out stream ids, which it does once.
   *
   * @throws Error if the transport closes meanwhile
   */
  open(record: SessionRecord, transport: WebRtcTransport, log: Logger): Promise<void> {
    const known = this.#opened.get(transport);
    if (known) return known;
    const opening = this.#open(record, transport, log);
    this.#opened.set(transport, opening);
    opening.catch(() => this.#opened.delete(transport));
    return opening;
  }

  async #open({ userId }: SessionRecord, transport: WebRtcTransport, log: Logger): Promise<void> {
    const session = this.#addSession(userId, transport, log);
    try {
      const { direct, producers } = await this.#getHub();
      // Both ways in come first: what the client sends at once must find them.
      for (const { label, id, ...parameters } of channels) {
        const sctpStreamParameters = { streamId: id, ...reliability(parameters) };
        const producer = await transport.produceData({ label, sctpStreamParameters });
        session.parts.add(producer);
        const consumer = await direct.consumeData({ dataProducerId: producer.id });
        consumer.on('message', (payload, ppid) => this.#received(session, label, payload, ppid));
      }
      // mediasoup gives the DataConsumers of a transport their stream ids itself, from 0 on.
      for (const { label, id, ...parameters } of channels) {
        const dataProducerId = producers[label].id;
        const subchannels = [session.subchannel];
        const consumer = await transport.consumeData({ dataProducerId, ...reliability(parameters), subchannels });
        session.parts.add(consumer);
        const streamId = consumer.sctpStreamParameters?.streamId;
        if (streamId !== id) throw new Error(`the data channel ${label} has the stream id ${streamId}, not ${id}`);
        consumer.on('sctpsendbufferfull', () => {
          this.#metrics.dataMessagesDropped.inc({ reason: 'slow_receiver' });
          if (label === RELIABLE) this.#close(session, 'the client does not take what is sent to it');
        });
      }
      session.isOpen = true;
    } catch (error) {
      if (this.#isCurrent(session)) this.#sessions.delete(session.subchannel);
      closeParts(session);
      throw error;
    }
    // It was closed meanwhile.
    if (!this.#isCurrent(session)) closeParts(session);
  }

  #isCurrent(session: DataSession): boolean {
    return this.#sessions.get(session.subchannel) === session;
  }

  /** Ends both channels; the client sees them close, and gets new ones when it starts anew. */
  #close(session: DataSession, reason: string): void {
    if (!this.#isCurrent(session)) return;
    this.#sessions.delete(session.subchannel);
    session.log.info({ reason }, 'data channels closed');
    this.#metrics.dataSessionsClosed.inc();
    if (session.isOpen) closeParts(session);
  }

  /** Ends the channels of every session here. */
  closeAll(reason: string): void {
    for (const session of this.#sessions.values()) this.#close(session, reason);
  }

  #addSession(userId: string, transport: WebRtcTransport, log: Logger): DataSession {
    while (this.#sessions.has(this.#nextSubchannel)) this.#nextSubchannel = (this.#nextSubchannel + 1) % SUBCHANNELS;
    const subchannel = this.#nextSubchannel;
    this.#nextSubchannel = (subchannel + 1) % SUBCHANNELS;
    const now = performance.now();
    const session: DataSession = {
      userId,
      log,
      subchannel,
      sending: new RateLimit(SENDING, now),
      refusals: new RateLimit(REFUSALS, now),
      tolerated: new RateLimit(TOLERATED, now),
      parts: new Set(),
      isOpen: false,
    };
    transport.observer.once('close', () => {
      if (this.#isCurrent(session)) this.#sessions.delete(subchannel);
    });
    this.#sessions.set(subchannel, session);
    return session;
  }

  #getHub(): Promise<Hub> {
    this.#hub ??= this.#createHub();
    // A Room whose Worker or Router is gone has none; nobody else need know.
    this.#hub.catch(() => (this.#hub = null));
    return this.#hub;
  }

  async #createHub(): Promise<Hub> {
    const direct = await this.#router.createDirectTransport(DIRECT_OPTIONS);
    const [server, lossy] = await Promise.all(channels.map(({ label }) => direct.produceData({ label })));
    if (!server || !lossy) throw new TypeError('there are two data channels');
    this.#producers = { server, 'server-lossy': lossy };
    return { direct, producers: this.#producers };
  }

  // ── From a client ────────────────────────────────────────────────────────────────────────────

  #received(session: DataSession, label: Label, payload: Buffer, ppid: number): void {
    // One that was closed may have sent more before it knew.
    if (!this.#isCurrent(session)) return;
    const now = performance.now();
    const { length } = payload;
    if (!session.sending.take(length, now)) {
      this.#refuseExcess(session, label, payload, ppid, now);
      return;
    }
    const read = readClientMessage(payload, ppid, session.userId);
    if (!read.ok) {
      this.#metrics.dataMessagesRefused.inc({ reason: read.code });
      this.#answer(session, label, { code: read.code, message: read.detail, id: read.id });
      return;
    }
    if (!this.#passing[label].take(read.bytes, now)) {
      this.#metrics.dataMessagesRefused.inc({ reason: 'room_rate_limited' });
      this.#answer(session, label, { code: 'rate_limited', message: `The room: ${limitText(ROOM)}`, id: read.id });
      return;
    }
    this.#metrics.dataMessagesReceived.inc({ channel: label });
    const routed = { reliable: label === RELIABLE, to: read.to ?? null, message: read.message };
    this.#send(routed, session);
    this.#forward(routed);
  }

  #refuseExcess(session: DataSession, label: Label, payload: Buffer, ppid: number, now: number): void {
    this.#metrics.dataMessagesRefused.inc({ reason: 'rate_limited' });
    if (!session.tolerated.take(payload.length, now)) {
      this.#close(session, 'the client sends far too much');
    } else if (session.refusals.take(payload.length, now)) {
      const { id } = readClientMessage(payload, ppid, session.userId);
      this.#answer(session, label, { code: 'rate_limited', message: `The session: ${limitText(SENDING)}`, id });
    }
  }

  #answer(session: DataSession, label: Label, error: MessageError['error']): void {
    const answer: MessageError = { error };
    this.#producers?.[label].send(JSON.stringify(answer), undefined, [session.subchannel]);
  }

  // ── To clients ───────────────────────────────────────────────────────────────────────────────

  /** Hands a message of another node to those here whom it is for. */
  deliver(routed: RoutedMessage): void {
    const bytes = Buffer.byteLength(JSON.stringify(routed.message));
    this.#passing[labelFor(routed.reliable)].charge(bytes, performance.now());
    this.#send(routed, null);
  }

  /** Never back to the session it came from; to every other session of its user. */
  #send({ reliable, to, message }: RoutedMessage, sender: DataSession | null): void {
    const label = labelFor(reliable);
    const producer = this.#producers?.[label];
    const recipients = this.#recipients(to, sender);
    // No subchannel would mean everyone.
    if (!producer || producer.closed || recipients.length === 0) return;
    const subchannels = to === null ? [] : recipients.map(({ subchannel }) => subchannel);
    producer.send(JSON.stringify(message), undefined, subchannels, undefined, sender?.subchannel);
    this.#metrics.dataMessagesDelivered.inc({ channel: label }, recipients.length);
  }

  #recipients(to: RoutedMessage['to'], sender: DataSession | null): DataSession[] {
    const named = to && new Set(to);
    return [...this.#sessions.values()].filter(
      (session) => session !== sender && (!named || named.has(session.userId)),
    );
  }
}

function closeParts({ parts }: DataSession): void {
  for (const part of parts) part.close();
}

function limitText({ messages, bytes }: RateLimits): string {
  return `at most ${messages.perSecond} messages and ${bytes.perSecond} bytes a second are taken`;
}

const DIRECT_OPTIONS = {
  maxReceiveMessageSize: SCTP_OPTIONS.maxSendMessageSize,
  maxSendMessageSize: SCTP_OPTIONS.maxReceiveMessageSize,
};

type Reliability = Pick<DataChannel, 'ordered' | 'maxRetransmits'>;

/** What mediasoup wants to know of a stream (RFC 3758); it takes no `undefined`. */
function reliability({ ordered, maxRetransmits }: Reliability): { ordered: boolean; maxRetransmits?: number } {
  return { ordered, ...(maxRetransmits === undefined ? {} : { maxRetransmits }) };
}
