import { randomInt } from 'node:crypto';
import { ProblemError, type PublishRequest, type PublishResult } from '@mediaserver/contracts';
import {
  abandonPublish,
  completePublish,
  createPubState,
  isReplay,
  planPublish,
  profileOf,
  producerClosed,
  type ApplyPlan,
  type ClientProfile,
  type NegotiationContext,
  type PubAction,
  type PublishAnswer,
  type PubState,
} from '@mediaserver/sdp';
import type { Logger } from '@mediaserver/telemetry';
import type { TransportOptions, User } from './user.ts';

/**
 * The PUB PeerConnection of one session, on which the client offers: `libs/sdp` decides, this runs its actions.
 *
 * Invariants:
 * 1. Between `prepare()` and the end of what it returned, no other call runs; its caller sees to that.
 * 2. An offer that is refused has changed nothing, be it of a new PeerConnection or not.
 * 3. A publish that fails leaves no producer behind and the state as it was. If it fails after `connect()`, which
 *    cannot be undone, the transport goes and the next publish starts anew.
 */
export class Publishing {
  readonly #user: User;
  readonly #context: NegotiationContext;
  readonly #log: Logger;
  #state: PubState = createPubState(1);
  #sdpSessionId = randomSdpSessionId();
  /** Producers that closed while a publish was applied, which builds on the state from before. */
  #closedMeanwhile: string[] = [];

  constructor(user: User, context: NegotiationContext, log: Logger) {
    this.#user = user;
    this.#context = context;
    this.#log = log;
  }

  /**
   * Decides what an offer means. The `generation` of a new PeerConnection's offer (`reset`) says nothing and is not
   * looked at.
   *
   * @param chosen what the caller says of the client; null: its SDP shows it
   * @returns what carries the decision out
   * @throws SdpError, ProblemError; then nothing has changed
   */
  prepare(
    { sdp, tracks, generation, reset }: PublishRequest,
    chosen: ClientProfile | null,
  ): () => Promise<PublishResult> {
    if (!this.#user.session.permissions.publish) throw new ProblemError('not_permitted', 'the user may not publish');
    const known = this.#state.generation;
    if (!reset && generation !== undefined && generation !== known) {
      throw new ProblemError('stale_offer', `the offer is of generation ${generation}, the current one is ${known}`);
    }
    const input = { ...this.#context, sdp, tracks };
    // The answer to a reset may have been lost: the same offer again is not of one more PeerConnection.
    const anew = reset && !isReplay(this.#state, input);
    const plan = planPublish(anew ? createPubState(known + 1) : this.#state, input);
    if (plan.type === 'replay') return () => Promise.resolve(this.#result(plan.sdp, plan.sections));
    for (const { code, mid } of plan.warnings) this.#log.info({ code, mid }, 'publish offer taken with a warning');
    const options = { data: false, checksConsent: (chosen ?? profileOf(plan.document)).checksConsent };
    return async () => {
      if (anew) {
        // First, so that whatever fails leaves a negotiation that has not begun.
        this.#beginAnew();
        await this.#user.replaceTransport('publish', options);
      }
      return this.#apply(plan, options);
    };
  }

  /** The client's PeerConnection is gone: what it sent ends, and the next offer is of a new one. */
  async reset(): Promise<void> {
    await this.#user.closeTransport('publish');
    this.#beginAnew();
  }

  #beginAnew(): void {
    this.#state = createPubState(this.#state.generation + 1);
    this.#sdpSessionId = randomSdpSessionId();
  }

  async #apply(plan: ApplyPlan, options: TransportOptions): Promise<PublishResult> {
    this.#closedMeanwhile = [];
    let transport = await this.#user.transport('publish', options);
    const producerIds = new Map<string, string>();
    const done: PubAction[] = [];
    try {
      for (const action of plan.actions) {
        switch (action.type) {
          case 'connect':
            await transport.connect({ dtlsParameters: action.dtlsParameters });
            break;
          case 'restartIce':
            await transport.restartIce();
            break;
          case 'replaceTransport':
            transport = await this.#user.replaceTransport('publish', options);
            break;
          case 'produce':
            producerIds.set(action.mid, await this.#user.produce(transport, action));
            break;
          case 'closeProducer':
            this.#user.closeProducer(action.producerId);
            break;
          case 'pauseProducer':
          case 'resumeProducer':
            await this.#user.setSending(action.producerId, action.type === 'resumeProducer');
            break;
        }
        done.push(action);
      }
    } catch (error) {
      for (const producerId of producerIds.values()) this.#user.closeProducer(producerId);
      if (plan.actions.some(({ type }) => type === 'connect')) await this.reset();
      else this.#state = abandonPublish(plan, done);
      throw error;
    }
    const { state, sdp, sections } = completePublish(plan, {
      transport: this.#user.describe(transport),
      producerIds,
      sdpSessionId: this.#sdpSessionId,
    });
    this.#state = this.#closedMeanwhile.reduce(producerClosed, state);
    return this.#result(sdp, sections);
  }

  #result(sdp: string, sections: PublishAnswer['sections']): PublishResult {
    return {
      generation: this.#state.generation,
      sdp,
      sections: sections.map((section) => ({
        ...section,
        trackId: section.producerId === null ? null : this.#user.trackIdOf(section.producerId),
      })),
    };
  }

  /** A producer ended for another reason than a publish. */
  producerClosed(producerId: string): void {
    this.#closedMeanwhile.push(producerId);
    this.#state = producerClosed(this.#state, producerId);
  }
}

/** An `o=` id (RFC 8866 §5.2), decimal, below 2^63. */
export function randomSdpSessionId(): string {
  return randomInt(1, 2 ** 47).toString();
}
