import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import {
  CODEC_TABLE_VERSION,
  controlCommands,
  controlRequestSchema,
  isControlCommand,
  MAX_SDP_BYTES,
  ProblemError,
  toProblem,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type Fence,
  type NodeDescriptor,
  type SubscribeOffer,
  type TrackState,
} from '@mediaserver/contracts';
import { SerialQueue } from '@mediaserver/lifecycle';
import { Registry } from '@mediaserver/registry';
import express from 'express';

type Answer<C extends ControlCommand> = (params: ControlParams<C>, fence: Fence) => Promise<ControlResult<C>>;
type Answers = { [C in ControlCommand]?: Answer<C> };

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * A node without media: it registers, renews its lease, speaks the control protocol over real HTTP
 * and commits its facts to the real registry, so that everything but mediasoup is as it will be.
 */
export class FakeNode {
  readonly descriptor: NodeDescriptor;
  /** Every command it was sent, in order. */
  readonly received: { command: string; fence: Fence; params: unknown; requestId: string | undefined }[] = [];
  /** Sessions it carries, by id. */
  readonly sessions = new Map<string, ControlParams<'session.create'>>();
  /** Offers that wait for an answer, by session id. */
  readonly offers = new Map<string, SubscribeOffer>();
  readonly tracks = new Set<string>();
  readonly registry: Registry;
  readonly #server: Server;
  readonly #answers: Answers;
  readonly #results = new Map<string, Promise<unknown>>();
  #timer: NodeJS.Timeout | null = null;
  #nodeSeq = 0;
  /** One fact at a time, as the registry demands of nodes: a number that comes late counts as a repeat. */
  readonly #facts = new SerialQueue();

  private constructor(descriptor: NodeDescriptor, registry: Registry, server: Server) {
    this.descriptor = descriptor;
    this.registry = registry;
    this.#server = server;
    this.#answers = this.#defaults();
  }

  static async start(nodeId: string, redisUrl: string): Promise<FakeNode> {
    const registry = await Registry.connect({ url: redisUrl, name: nodeId, log: quiet });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    const node = new FakeNode(
      {
        nodeId,
        bootId: randomUUID(),
        controlUrl: `http://127.0.0.1:${address.port}`,
        region: null,
        version: 'fake',
        codecTableVersion: CODEC_TABLE_VERSION,
        workers: 1,
      },
      registry,
      server,
    );
    server.on('request', node.#app());
    const load = { ratio: 0, rooms: 0, sessions: 0, producers: 0, consumers: 0 };
    if ((await registry.registerNode(node.descriptor, load)) !== 'ok') throw new Error('duplicate node');
    node.#timer = setInterval(() => {
      registry.heartbeat(nodeId, node.descriptor.bootId, load, 'ready').catch(() => undefined);
    }, 1_000);
    return node;
  }

  /** Replaces what the node does on a command. Without `answer`: back to the usual. */
  on<C extends ControlCommand>(command: C, answer?: Answer<C>): void {
    const answers: { [K in C]?: Answer<C> } = this.#answers;
    answers[command] = answer ?? this.#defaults()[command];
  }

  /** How often a command came. */
  count(command: ControlCommand): number {
    return this.received.filter((entry) => entry.command === command).length;
  }

  async commit(
    session: ControlParams<'session.create'>,
    body: { op: 'session.joined' } | { op: 'session.left'; reason: 'left' | 'replaced' | 'kicked' },
  ): Promise<number> {
    const { tenant, roomId, roomSessionId } = session.room;
    const { nodeId, bootId } = this.descriptor;
    const where = { tenant, roomId, roomSessionId, nodeId, bootId };
    const { sessionId } = session.session;
    const result = await this.#facts.run(() =>
      this.registry.commitFact({ ...where, nodeSeq: (this.#nodeSeq += 1), ...body, sessionId }),
    );
    if (result.status === 'fenced') throw new ProblemError('session_gone');
    return result.lastSeq;
  }

  /** Makes a track of a session known, as if its media had been negotiated. */
  async createTrack(sessionId: string, source: string): Promise<TrackState> {
    const session = this.#session(sessionId);
    const { tenant, roomId, roomSessionId } = session.room;
    const { nodeId, bootId } = this.descriptor;
    const { userId } = session.session;
    const track: TrackState = {
      trackId: `${userId}:${source}`,
      producerId: randomUUID(),
      userId,
      sessionId,
      nodeId,
      kind: 'audio',
      source,
      paused: false,
      mutedByUser: false,
      mutedByModerator: false,
    };
    const where = { tenant, roomId, roomSessionId, nodeId, bootId };
    await this.#facts.run(() =>
      this.registry.commitFact({ ...where, nodeSeq: (this.#nodeSeq += 1), op: 'track.created', track }),
    );
    this.tracks.add(track.trackId);
    return track;
  }

  /** An offer becomes outstanding and the signal for it is published. */
  async offer(sessionId: string, revision: number): Promise<void> {
    const { room, session } = this.#session(sessionId);
    this.offers.set(sessionId, makeOffer(revision));
    const { nodeId, bootId } = this.descriptor;
    await this.registry.publishSignal({
      tenant: room.tenant,
      roomId: room.roomId,
      roomSessionId: room.roomSessionId,
      sessionId,
      userId: session.userId,
      type: 'subscribe.offer',
      nodeId,
      bootId,
      at: Date.now(),
    });
  }

  #session(sessionId: string): ControlParams<'session.create'> {
    const session = this.sessions.get(sessionId);
    if (!session) throw new ProblemError('session_gone');
    return session;
  }

  #defaults(): Answers {
    return {
      'session.create': async (params) => {
        const lastSeq = await this.commit(params, { op: 'session.joined' });
        this.sessions.set(params.session.sessionId, params);
        return {
          publish: params.publish ? { generation: 1, sdp: 'v=0 answer', sections: [] } : null,
          subscribe: null,
          lastSeq,
        };
      },
      'session.close': async ({ sessionId, reason }) => {
        const session = this.#session(sessionId);
        this.sessions.delete(sessionId);
        await this.commit(session, {
          op: 'session.left',
          reason: reason === 'replaced' || reason === 'kicked' ? reason : 'left',
        });
        return {};
      },
      'session.publish': async ({ sessionId, sdp }) => {
        this.#session(sessionId);
        if (Buffer.byteLength(sdp) > MAX_SDP_BYTES) throw new ProblemError('sdp_too_large');
        if (!sdp.startsWith('v=0')) throw new ProblemError('malformed_sdp', 'no v= line', '0');
        return { generation: 1, sdp: 'v=0 answer', sections: [] };
      },
      'session.resume': async ({ sessionId, publish }) => {
        this.#session(sessionId);
        const offer = makeOffer((this.offers.get(sessionId)?.revision ?? 0) + 1);
        this.offers.set(sessionId, offer);
        return { publish: publish ? { generation: 1, sdp: 'v=0 answer', sections: [] } : null, subscribe: offer };
      },
      'session.restartSubscribe': async ({ sessionId }) => {
        this.#session(sessionId);
        const offer = makeOffer((this.offers.get(sessionId)?.revision ?? 0) + 1);
        this.offers.set(sessionId, offer);
        return offer;
      },
      'session.patchConsumer': async ({ sessionId, trackId, paused = false, preferredLayers = null, priority = 1 }) => {
        this.#session(sessionId);
        if (!this.tracks.has(trackId)) throw new ProblemError('track_not_found');
        return { trackId, consumerId: null, paused, preferredLayers, currentLayers: null, priority };
      },
      'session.subscribe': async ({ sessionId }) => {
        this.#session(sessionId);
        return { offer: null };
      },
      'session.offer': async ({ sessionId }) => {
        this.#session(sessionId);
        return { offer: this.offers.get(sessionId) ?? null };
      },
      'session.answer': async ({ sessionId, negotiationId }) => {
        this.#session(sessionId);
        const offer = this.offers.get(sessionId);
        if (!offer) throw new ProblemError('no_negotiation');
        if (offer.negotiationId !== negotiationId) throw new ProblemError('stale_negotiation');
        this.offers.delete(sessionId);
        return { next: null, sections: [] };
      },
      'session.patchTrack': async ({ sessionId, trackId, muted, by }) => {
        const { session } = this.#session(sessionId);
        if (!this.tracks.has(trackId)) throw new ProblemError('track_not_found');
        return {
          trackId,
          producerId: 'p',
          userId: session.userId,
          sessionId,
          nodeId: this.descriptor.nodeId,
          kind: 'audio',
          source: 'microphone',
          paused: muted,
          mutedByUser: muted && by === 'user',
          mutedByModerator: muted && by === 'moderator',
        };
      },
      'room.close': async ({ roomSessionId }) => {
        for (const [sessionId, { room }] of this.sessions) {
          if (room.roomSessionId === roomSessionId) this.sessions.delete(sessionId);
        }
        return {};
      },
    };
  }

  #app(): express.Express {
    const app = express();
    app.use(express.json({ limit: '4mb' }));
    app.post('/control/v1/:command', async (request, response) => {
      try {
        const { command } = request.params;
        if (!isControlCommand(command)) throw new ProblemError('unknown_command');
        const { fence, params } = controlRequestSchema.parse(request.body);
        this.received.push({ command, fence, params, requestId: request.get('x-request-id') });
        if (fence.bootId !== this.descriptor.bootId) throw new ProblemError('wrong_boot');
        response.json({ result: await this.#once(command, params, fence) });
      } catch (error) {
        const problem = toProblem(error);
        response.status(problem.status).json(problem);
      }
    });
    return app;
  }

  /** Adopts the first effect of a repeated key, as nodes must. */
  #once(command: ControlCommand, params: unknown, fence: Fence): Promise<unknown> {
    const known = this.#results.get(fence.idempotencyKey);
    if (known) return known;
    const result = this.#answer(command, params, fence);
    this.#results.set(fence.idempotencyKey, result);
    return result;
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- keeps command, params and answer together
  async #answer<C extends ControlCommand>(command: C, params: unknown, fence: Fence): Promise<unknown> {
    const answers: { [K in C]?: Answer<C> } = this.#answers;
    const answer = answers[command];
    if (!answer) throw new ProblemError('unknown_command');
    return answer(controlCommands[command].params.parse(params), fence);
  }

  /** Gone without a word: the lease runs out, the port is closed. */
  async die(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.registry.close();
  }

  async stop(): Promise<void> {
    if (!this.#timer) return;
    await this.registry.removeNode(this.descriptor.nodeId, this.descriptor.bootId).catch(() => undefined);
    await this.die();
  }
}

export function makeOffer(revision: number): SubscribeOffer {
  return {
    generation: 1,
    revision,
    negotiationId: `n-${revision}`,
    sdp: `v=0 offer ${revision}`,
    tracks: [],
    data: [],
  };
}
