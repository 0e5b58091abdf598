import type { MediaKind } from '@mediaserver/contracts';
import type { RtpParameters } from 'mediasoup/types';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addConsumer,
  applyAnswer,
  clientProfiles,
  createOffer,
  createSubState,
  currentOffer,
  deviceCapabilities,
  isDirty,
  markStalled,
  needsOffer,
  releaseSection,
  renewOffer,
  removeConsumer,
  reserveSection,
  restartIce,
  type SubAction,
  type SubState,
} from './index.ts';
import { SimulatedSubscriber, type Reaction } from './simulated-subscriber.test-support.ts';
import { chromium, codeOf, consume, context, deepFreeze, plan, produced, transport } from './sdp.test-support.ts';

const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
const published = produced(plan(chromium('02-av-sendonly')));
const parametersOf = (kind: MediaKind): RtpParameters => {
  const found = published.find((action) => action.kind === kind);
  if (!found) throw new Error('the fixture has no such kind');
  return found.rtpParameters;
};

const plainSteps = [
  'followUp',
  'loseAndRepeat',
  'repeatAnswer',
  'staleAnswer',
  'brokenAnswer',
  'restart',
  'renew',
  'reset',
  'stall',
] as const;

type Step =
  | { readonly type: 'add'; readonly kind: MediaKind }
  | { readonly type: 'fail'; readonly kind: MediaKind }
  | { readonly type: 'remove'; readonly pick: number }
  | { readonly type: 'offer' }
  | { readonly type: 'answer'; readonly reactions: readonly Reaction[] }
  | { readonly type: (typeof plainSteps)[number] };

const kind = fc.constantFrom<MediaKind>('audio', 'video');
const reactions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Reaction>('accept') },
    { weight: 1, arbitrary: fc.constantFrom<Reaction>('reject', 'inactive', 'revive') },
  ),
  { maxLength: 8 },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('add'), kind }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('remove'), pick: fc.nat(50) }) },
  { weight: 6, arbitrary: fc.constant({ type: 'offer' } as const) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('answer'), reactions }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail'), kind }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom(...plainSteps),
    }),
  },
);

const session = fc.record({ probes: fc.boolean(), data: fc.boolean(), grows: fc.boolean() });
interface Session {
  /** Without a capabilities SDP. */
  readonly probes: boolean;
  readonly data: boolean;
  /** The client is of the profile `grow`. */
  readonly grows: boolean;
}

/** Runs the machine, the shell's part of it, and the client side by side. */
class Model {
  #state: SubState;
  client: SimulatedSubscriber;
  readonly #session: Session;
  /** Consumers that exist in mediasoup, and whether they are resumed. */
  readonly consumers = new Map<string, { readonly mid: string; readonly kind: MediaKind; resumed: boolean }>();
  answered: { readonly negotiationId: string; readonly sdp: string }[] = [];
  connects = 0;
  dataOpened = 0;
  /** When the outstanding offer was made. */
  #dataRefused = false;
  #serial = 0;
  #refused = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
    this.client = new SimulatedSubscriber(session);
    this.#state = deepFreeze(this.#newState(1, session.probes ? null : device));
  }

  get state(): SubState {
    return this.#state;
  }

  /** Invariant 9. */
  set state(state: SubState) {
    this.#state = deepFreeze(state);
  }

  #newState(generation: number, capabilities: SubState['capabilities']): SubState {
    // Once told, the profile is that of the client's own SDP.
    const profile = capabilities ? clientProfiles[this.#session.grows ? 'grow' : 'standard'] : null;
    return createSubState({ generation, data: this.#session.data, profile, capabilities });
  }

  run(next: Step): void {
    switch (next.type) {
      case 'add':
        // A device that refused the probe's video cannot receive any (case 58).
        if (this.state.capabilities?.codecs?.some((codec) => codec.kind === next.kind)) this.#add(next.kind);
        break;
      case 'fail': {
        const reserved = reserveSection(this.state, { trackId: 't', userId: 'u', source: 's', kind: next.kind });
        this.state = releaseSection(reserved.state, reserved.mid);
        break;
      }
      case 'remove': {
        const ids = [...this.consumers.keys()];
        const id = ids[next.pick % Math.max(ids.length, 1)];
        if (id !== undefined) {
          this.consumers.delete(id);
          this.state = removeConsumer(this.state, id);
        }
        break;
      }
      case 'offer':
        if (needsOffer(this.state)) this.#offer();
        else expect(() => this.#offer()).toThrow(TypeError);
        break;
      case 'answer':
        this.#answer(next.reactions);
        break;
      case 'loseAndRepeat': {
        // The answer arrives, its response is lost, the client sends it again.
        const before = this.connects;
        this.#answer([]);
        this.#repeat();
        expect(this.connects - before).toBeLessThanOrEqual(1);
        break;
      }
      case 'followUp':
        this.#followUp();
        break;
      case 'repeatAnswer':
        this.#repeat();
        break;
      case 'staleAnswer': {
        const stale = this.answered.at(-2);
        if (stale) expect(codeOf(() => this.#apply(stale.negotiationId, stale.sdp))).toBe('stale_negotiation');
        break;
      }
      case 'brokenAnswer': {
        const offer = currentOffer(this.state);
        if (!offer) break;
        const before = structuredClone(this.state);
        const shortened = offer.sdp.slice(0, offer.sdp.lastIndexOf('\r\nm=') + 2);
        expect(codeOf(() => this.#apply(offer.negotiationId, shortened))).toBe('answer_mismatch');
        expect(this.state).toEqual(before);
        break;
      }
      case 'restart':
        this.state = restartIce(this.state);
        break;
      case 'renew':
        this.state = renewOffer(this.state);
        break;
      case 'reset':
        this.#reset();
        break;
      case 'stall':
        this.state = markStalled(this.state, currentOffer(this.state)?.negotiationId ?? 'none');
        break;
    }
    this.check();
  }

  /** Both ends make a new PeerConnection; what was received is to be received again. */
  #reset(): void {
    const kinds = [...this.consumers.values()].map((consumer) => consumer.kind);
    this.client = new SimulatedSubscriber(this.#session);
    this.state = this.#newState(this.state.generation + 1, this.state.capabilities);
    this.consumers.clear();
    this.#refused.clear();
    this.answered = [];
    this.connects = 0;
    this.dataOpened = 0;
    for (const kind of kinds) this.#add(kind);
  }

  #add(of: MediaKind): void {
    const consumerId = `c${++this.#serial}`;
    const { state, mid } = reserveSection(this.state, {
      trackId: `u:${consumerId}`,
      userId: 'u',
      source: 's',
      kind: of,
    });
    const rtpParameters = consume(of, parametersOf(of), this.state.capabilities ?? device, mid);
    this.state = addConsumer(state, { mid, consumerId, producerId: 'p', rtpParameters, paused: false, replaces: null });
    this.consumers.set(consumerId, { mid, kind: of, resumed: false });
  }

  #offer(): void {
    this.#dataRefused = this.state.data === 'refused';
    this.state = createOffer(this.state, {
      ...context,
      transport: transport(),
      sdpSessionId: '1',
      negotiationId: `n${++this.#serial}`,
    }).state;
  }

  #answer(list: readonly Reaction[]): void {
    const offer = currentOffer(this.state);
    if (!offer) return;
    const mids = [...offer.sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid = '']) => mid);
    // A client does not refuse what it took before.
    const takenBefore = new Set(this.client.lines.filter(({ stopped }) => !stopped).map(({ mid }) => mid));
    const pairs = mids.map((mid, index): [string, Reaction] => {
      const reaction = list[index] ?? 'accept';
      return [mid, reaction === 'reject' && takenBefore.has(mid) ? 'accept' : reaction];
    });
    for (const [mid, reaction] of pairs) if (reaction === 'reject') this.#refused.add(mid);
    const sdp = this.client.answer(offer, Object.fromEntries(pairs));
    this.answered.push({ negotiationId: offer.negotiationId, sdp });
    this.#apply(offer.negotiationId, sdp);
    for (const { mid, resumed } of this.consumers.values()) expect(resumed).toBe(this.client.receiving.includes(mid));
  }

  /** Whatever happened while an offer was out goes into exactly one more. */
  #followUp(): void {
    this.#answer([]);
    if (!isDirty(this.state)) return;
    this.#offer();
    this.#answer([]);
    expect(isDirty(this.state)).toBe(false);
  }

  #repeat(): void {
    const last = this.answered.at(-1);
    if (!last) return;
    const before = this.state;
    expect(this.#apply(last.negotiationId, last.sdp)).toEqual([]);
    expect(this.state).toBe(before);
  }

  #apply(negotiationId: string, sdp: string): readonly SubAction[] {
    const { state, actions } = applyAnswer(this.state, { ...context, negotiationId, sdp });
    this.state = state;
    for (const action of actions) {
      if (action.type === 'connect') {
        this.connects += 1;
        continue;
      }
      if (action.type === 'openData') {
        this.dataOpened += 1;
        continue;
      }
      const consumer = this.consumers.get(action.consumerId);
      expect(consumer?.mid).toBe(action.mid);
      if (!consumer) continue;
      if (action.type === 'closeConsumer') {
        expect(this.#refused.has(action.mid)).toBe(true);
        this.consumers.delete(action.consumerId);
      } else {
        expect(consumer.resumed).toBe(action.type === 'pauseConsumer');
        consumer.resumed = action.type === 'resumeConsumer';
      }
    }
    return actions;
  }

  check(): void {
    const { lines, waiting, outstanding, reserved } = this.state;
    // Every consumer stands in exactly one place, and nothing else does.
    const held = [...lines.flatMap(({ entry }) => (entry ? [entry] : [])), ...waiting].map(
      ({ consumer }) => consumer.consumerId,
    );
    expect(held.sort()).toEqual([...this.consumers.keys()].sort());
    expect(reserved).toEqual([]);
    expect(this.connects).toBeLessThanOrEqual(1);
    expect(this.dataOpened).toBe(this.state.data === 'open' ? 1 : 0);
    if (this.state.data === 'open') expect(this.client.hasData).toBe(true);
    if (outstanding) expect(outstanding.offer.data.length).toBe(this.#session.data && !this.#dataRefused ? 2 : 0);
    expect(outstanding === null).toBe(this.state.phase === 'none' || this.state.phase === 'idle');
    for (const { phase, entry } of lines) expect(entry !== null).toBe(phase === 'adding' || phase === 'live');
    if (outstanding) expect(outstanding.lines).toHaveLength(lines.length);
  }

  /** With a client that takes everything, both sides agree after one more offer. */
  settle(): void {
    this.#answer([]);
    // One more round, so that a section answered inactive is taken too.
    this.state = renewOffer(this.state);
    this.#followUp();
    if (this.client.lines.length > 0) {
      expect(this.client.receiving.sort()).toEqual([...this.consumers.values()].map(({ mid }) => mid).sort());
      expect(this.client.lines.map(({ mid }) => mid)).toEqual(this.state.lines.map(({ mid }) => mid));
    } else expect(this.consumers.size).toBe(0);
  }
}

test('any sequence of events: machine and client agree, nothing is lost, doubled or renumbered (invariants 1-10)', () => {
  fc.assert(
    fc.property(session, fc.array(step, { maxLength: 60, size: 'max' }), (of, steps) => {
      const model = new Model(of);
      for (const next of steps) model.run(next);
      model.settle();
    }),
    { numRuns: 200 },
  );
});
