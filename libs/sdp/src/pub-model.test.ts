import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  abandonPublish,
  completePublish,
  createPubState,
  planPublish,
  producerClosed,
  type ApplyPlan,
  type PubAction,
  type PublishPlan,
  type PubState,
} from './index.ts';
import { SimulatedPublisher, type Form, type PublishedOffer } from './simulated-publisher.test-support.ts';
import { codeOf, context, transport } from './sdp.test-support.ts';

type Step =
  | { readonly type: 'add'; readonly form: Form }
  | { readonly type: 'stop' | 'pause' | 'resume' | 'changeStreams' | 'serverCloses'; readonly pick: number }
  | { readonly type: 'bundleOnly' | 'h264First'; readonly on: boolean }
  | { readonly type: 'renumber' | 'restartIce' | 'stale' | 'repeat' | 'foreign' }
  /** `failAt`: the action that fails. `closing`: a producer that the server closes meanwhile. */
  | { readonly type: 'publish'; readonly failAt: number | null; readonly closing: number | null };

const pick = fc.nat(50);
const seldom = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('add'),
      form: fc.constantFrom<Form>('audio', 'audio', 'video', 'rids', 'ssrcs', 'alien', 'data'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom('stop', 'stop', 'pause', 'resume', 'changeStreams', 'serverCloses'),
      pick,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('bundleOnly', 'h264First'), on: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('renumber', 'restartIce', 'stale', 'repeat', 'foreign') }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('publish'),
      failAt: seldom(fc.nat(4)),
      closing: seldom(pick),
    }),
  },
);

interface OpenProducer {
  readonly mid: string;
  readonly source: string;
  readonly kind: string;
  readonly ssrcs: readonly number[];
  paused: boolean;
}

/** In the documented order. */
const ORDER = [
  ['closeProducer'],
  ['replaceTransport'],
  ['connect', 'restartIce'],
  ['produce'],
  ['pauseProducer', 'resumeProducer'],
];
const rankOf = ({ type }: PubAction) => ORDER.findIndex((types) => types.includes(type));

/** Runs the machine, the shell's part of it, and the client side by side. */
class Model {
  state: PubState = frozen(createPubState(1));
  readonly client = new SimulatedPublisher();
  /** Producers that exist in mediasoup. */
  readonly producers = new Map<string, OpenProducer>();
  #transport = { ufrag: 'server1', connected: false };
  /** Answered offers, and what was answered last. */
  readonly #offers: PublishedOffer[] = [];
  #lastAnswer = '';
  /** An offer failed half-way and no other was answered yet. */
  #abandoned = false;
  /** A producer was closed by the server since the last answer. */
  #closedSince = false;
  #serial = 0;

  run(next: Step): void {
    switch (next.type) {
      case 'add':
        this.client.add(next.form);
        break;
      case 'stop':
        this.#pickTrack(next.pick, (track) => this.client.stop(track));
        break;
      case 'pause':
      case 'resume':
        this.#pickTrack(next.pick, (track) => (track.sending = next.type === 'resume'));
        break;
      case 'changeStreams':
        this.#pickTrack(next.pick, (track) => this.client.changeStreams(track));
        break;
      case 'serverCloses':
        this.#closeByServer(next.pick);
        break;
      case 'bundleOnly':
      case 'h264First':
        this.client[next.type] = next.on;
        break;
      case 'renumber':
      case 'restartIce':
        this.client[next.type]();
        break;
      case 'publish':
        this.#publish(next.failAt, next.closing);
        break;
      case 'repeat':
        this.#repeat();
        break;
      case 'stale': {
        const stale = this.#offers.at(-2);
        if (stale) expect(codeOf(() => this.#plan(stale))).toBe('stale_offer');
        break;
      }
      case 'foreign':
        if (this.state.connection && !this.#abandoned && this.client.hasTransport) {
          const sdp = this.client.foreignOffer();
          expect(codeOf(() => this.#plan({ sdp, tracks: [] }))).toBe('dtls_fingerprint_changed');
        }
        break;
    }
    this.check();
  }

  #pickTrack(pick: number, act: (track: SimulatedPublisher['tracks'][number]) => void): void {
    const track = this.client.tracks[pick % Math.max(this.client.tracks.length, 1)];
    if (track) act(track);
  }

  #plan({ sdp, tracks }: Pick<PublishedOffer, 'sdp' | 'tracks'>): PublishPlan {
    return planPublish(this.state, { ...context, sdp, tracks });
  }

  #publish(failAt: number | null, closing: number | null): void {
    if (this.client.tracks.length === 0 && this.client.stable.lines.length === 0) return;
    const offered = this.client.offer();
    const plan = this.#plan(offered);
    if (plan.type !== 'apply') throw new Error('a new offer is no repetition');
    this.#checkPlan(plan, offered);
    const producerIds = new Map<string, string>();
    const done: PubAction[] = [];
    const gone = closing === null ? undefined : this.#pickProducer(closing);
    if (gone !== undefined) this.producers.delete(gone);
    for (const [index, action] of plan.actions.entries()) {
      if (index === failAt) {
        for (const id of producerIds.values()) this.producers.delete(id);
        this.state = frozen(abandonPublish(plan, done));
        if (gone !== undefined) this.state = frozen(producerClosed(this.state, gone));
        this.client.rollback();
        this.#abandoned = true;
        return;
      }
      this.#perform(action, producerIds, gone);
      done.push(action);
    }
    const answer = completePublish(plan, {
      transport: transport(this.#transport.ufrag),
      producerIds,
      sdpSessionId: '1',
    });
    this.state = frozen(answer.state);
    // Not known any more if the plan closed it too.
    const closed = gone === undefined ? this.state : frozen(producerClosed(this.state, gone));
    this.#closedSince = closed !== this.state;
    this.state = closed;
    this.#abandoned = false;
    this.#offers.push(offered);
    this.#lastAnswer = answer.sdp;
    expect(answer.sdp).toContain(` ${this.state.answerVersion} IN IP4 `);
    this.client.answer(answer.sdp, this.#transport);
    expect(answer.sections.map(({ mid }) => mid)).toEqual(this.client.stable.lines.map(({ mid }) => mid));
  }

  /** What the plan must be, told by what the client changed. */
  #checkPlan({ actions, sections }: ApplyPlan, { newTransport, iceRestart }: PublishedOffer): void {
    const types = actions.map(({ type }) => type);
    const ranks = actions.map(rankOf);
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    if (this.#abandoned) return;
    const connected = this.state.connection !== null;
    expect(types.includes('replaceTransport')).toBe(connected && newTransport);
    if (newTransport || !connected) expect(types).not.toContain('restartIce');
    // Data channels that are all there is left are refused, and nothing has a transport then.
    else expect(types.includes('restartIce')).toBe(iceRestart && sections.some(({ answer }) => answer.accepted));
  }

  #perform(action: PubAction, producerIds: Map<string, string>, gone: string | undefined): void {
    switch (action.type) {
      case 'connect':
        expect(this.#transport.connected).toBe(false);
        this.#transport.connected = true;
        break;
      case 'restartIce':
        expect(this.#transport.connected).toBe(true);
        this.#transport.ufrag = `server${++this.#serial + 1}`;
        break;
      case 'replaceTransport':
        // mediasoup would close them with the transport, and nobody would be told.
        expect(this.producers.size).toBe(0);
        this.#transport = { ufrag: `server${++this.#serial + 1}`, connected: false };
        break;
      case 'produce':
        this.#produce(action, producerIds);
        break;
      case 'closeProducer':
      case 'pauseProducer':
      case 'resumeProducer': {
        const producer = this.producers.get(action.producerId);
        if (action.producerId === gone) break;
        expect(producer?.mid).toBe(action.mid);
        if (!producer) break;
        if (action.type === 'closeProducer') this.producers.delete(action.producerId);
        else {
          expect(producer.paused).toBe(action.type === 'resumeProducer');
          producer.paused = action.type === 'pauseProducer';
        }
      }
    }
  }

  #produce(action: Extract<PubAction, { type: 'produce' }>, producerIds: Map<string, string>): void {
    const { mid, source, kind, rtpParameters, paused } = action;
    expect(this.#transport.connected).toBe(true);
    const ssrcs = (rtpParameters.encodings ?? []).flatMap(({ ssrc, rtx }) => [ssrc ?? [], rtx?.ssrc ?? []].flat());
    for (const other of this.producers.values()) {
      expect(other.mid).not.toBe(mid);
      expect(other.ssrcs.filter((ssrc) => ssrcs.includes(ssrc))).toEqual([]);
    }
    expect(producerIds.has(mid)).toBe(false);
    const id = `p${++this.#serial}`;
    producerIds.set(mid, id);
    this.producers.set(id, { mid, source, kind, ssrcs, paused });
  }

  #pickProducer(pick: number): string | undefined {
    return [...this.producers.keys()][pick % Math.max(this.producers.size, 1)];
  }

  #closeByServer(pick: number): void {
    const id = this.#pickProducer(pick);
    if (id === undefined) return;
    this.producers.delete(id);
    this.state = frozen(producerClosed(this.state, id));
    this.#closedSince = true;
  }

  /** The response was lost and the client asks again. */
  #repeat(): void {
    const last = this.#offers.at(-1);
    if (!last) return;
    const plan = this.#plan(last);
    if (plan.type === 'replay') {
      expect(this.#abandoned || this.#closedSince).toBe(false);
      expect(plan.sdp).toBe(this.#lastAnswer);
    } else {
      expect(this.#abandoned || this.#closedSince).toBe(true);
      if (!this.#abandoned) expect(plan.actions).toEqual([]);
    }
  }

  check(): void {
    const { lines } = this.client.stable;
    const { sections } = this.state;
    expect(sections.map(({ mid, kind }) => [mid, kind])).toEqual(lines.map(({ mid, kind }) => [mid, kind]));
    const live = sections.flatMap((section) => (section.phase === 'live' ? [section] : []));
    // Invariant 2, both ways.
    expect(live.map(({ producerId }) => producerId).sort()).toEqual([...this.producers.keys()].sort());
    expect(new Set(live.map(({ track }) => track.source)).size).toBe(live.length);
    for (const { mid, kind, track, producerId, paused } of live) {
      expect(this.producers.get(producerId)).toMatchObject({ mid, kind, source: track.source, paused });
    }
    for (const [index, { phase }] of sections.entries()) {
      const line = lines[index];
      expect(phase === 'closed').toBe(line?.track === null);
      if (phase === 'live')
        expect(sections[index]).toMatchObject({ track: { source: line?.track?.source }, paused: !line?.sending });
    }
    // What sends has a producer, unless the client was told, or will be by the next answer.
    if (this.#abandoned) return;
    for (const [index, { sending, track }] of lines.entries()) {
      if (!sending || track?.form === 'alien' || track?.form === 'data') continue;
      expect(['live', 'revoked']).toContain(sections[index]?.phase);
    }
    expect(this.#transport.connected).toBe(this.state.connection !== null);
  }

  /** A client that asks again for what it wants gets it. */
  settle(): void {
    // In a section whose producer was closed, sending begins anew only after it stopped.
    const wanted = this.client.tracks.map((track) => ({ track, sending: track.sending }));
    for (const { track } of wanted) track.sending = false;
    this.#publish(null, null);
    for (const { track, sending } of wanted) track.sending = sending;
    this.#publish(null, null);
    // Of a section that is refused the client learns by the answer.
    this.#publish(null, null);
    this.check();
    const sent = this.client.tracks.filter(({ form, sending }) => sending && form !== 'alien' && form !== 'data');
    const running = [...this.producers.values()].filter(({ paused }) => !paused);
    expect(running.map(({ source }) => source).sort()).toEqual(sent.map(({ source }) => source).sort());
    expect(sent.filter(({ refused }) => refused)).toEqual([]);
    if (this.client.stable.lines.length === 0) return;
    const again = this.#plan(this.client.offer());
    expect(again.type === 'apply' && again.actions).toEqual([]);
  }
}

/** A write to it throws: whatever fails has changed nothing (invariant 6). */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
}

test('any sequence of offers: machine, producers and client agree, nothing is lost or produced twice (invariants 1-6)', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (steps) => {
      const model = new Model();
      for (const next of steps) model.run(next);
      model.settle();
    }),
    { numRuns: 150 },
  );
});
