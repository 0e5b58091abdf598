import {
  controlCommands,
  ProblemError,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type Fence,
} from '@mediaserver/contracts';
import { pause } from '@mediaserver/lifecycle';
import type { NodeCounts } from './load-reporter.ts';
import { Room, type RoomEnvironment } from './room.ts';
import type { User } from './user.ts';

/** How long the answer to a leave waits for Redis to know of it, ms. */
const LEFT_WAIT_MS = 500;

type Handlers = {
  readonly [C in ControlCommand]: (
    params: ControlParams<C>,
    fence: Fence,
  ) => Promise<ControlResult<C>> | ControlResult<C>;
};

/**
 * The node's Rooms, and what coordinators and other nodes may ask of them.
 *
 * Invariants:
 * 1. At most one Room per room life (`roomSessionId`); joins of one life wait for its making.
 * 2. A command with a lower epoch than its Room's has no effect.
 * 3. After `close()` no Room is left and none is made.
 */
export class Application {
  readonly #environment: Omit<RoomEnvironment, 'nextVersion'>;
  readonly #rooms = new Map<string, Promise<Room>>();
  readonly #open = new Map<string, Room>();
  #version = 0;
  #closed = false;

  constructor(environment: Omit<RoomEnvironment, 'nextVersion'>) {
    this.#environment = environment;
  }

  get counts(): NodeCounts {
    const rooms = [...this.#open.values()];
    const users = rooms.flatMap((room) => Array.from(room.users));
    const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);
    return {
      rooms: rooms.length,
      sessions: users.length,
      producers: sum(users.map((user) => user.counts.producers)),
      consumers: sum(users.map((user) => user.counts.consumers)),
      pipes: sum(rooms.map((room) => room.pipeCount)),
    };
  }

  readonly #handlers: Handlers = {
    'session.create': (params, fence) => this.#createSession(params, fence),
    'session.publish': ({ roomSessionId, sessionId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => user.signaling.publish(request)),
    'session.subscribe': ({ roomSessionId, sessionId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, async (user) => ({
        offer: await user.signaling.subscribing.subscribe(request),
      })),
    'session.offer': ({ roomSessionId, sessionId }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => ({
        offer: user.signaling.subscribing.outstandingOffer(),
      })),
    'session.answer': ({ roomSessionId, sessionId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => user.signaling.answer(request)),
    'session.restartSubscribe': ({ roomSessionId, sessionId }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => user.signaling.restartSubscribe()),
    'session.resume': ({ roomSessionId, sessionId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => user.signaling.resume(request)),
    'session.patchConsumer': ({ roomSessionId, sessionId, trackId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) =>
        user.signaling.subscribing.patchConsumer(trackId, request),
      ),
    'session.patchTrack': ({ roomSessionId, sessionId, trackId, ...request }, fence) =>
      this.#onUser(roomSessionId, sessionId, fence, (user) => user.signaling.muteTrack(trackId, request)),
    'session.close': async ({ roomSessionId, sessionId, reason }, fence) => {
      const user = this.#user(roomSessionId, sessionId, fence);
      user.close(reason);
      // So that whoever asked reads what it wrote; without Redis the leave stands all the same.
      await Promise.race([user.left, pause(LEFT_WAIT_MS)]);
      return {};
    },
    'room.close': ({ roomSessionId }, fence) => {
      // The registry has closed it already and told so.
      this.#room(roomSessionId, fence).close(null);
      return {};
    },
    'cascade.sync': ({ roomSessionId, state, pipe }, fence) => this.#room(roomSessionId, fence).sync(state, pipe),
    'cascade.leave': ({ roomSessionId, nodeId, version }, fence) => {
      this.#room(roomSessionId, fence).forgetNode(nodeId, version);
      return {};
    },
    'cascade.connectPipe': async ({ roomSessionId, from, pipeId, end }, fence) => ({
      end: await this.#room(roomSessionId, fence).acceptPipe(from, pipeId, end),
    }),
    'cascade.openPipe': async ({ roomSessionId, from }, fence) => {
      await this.#room(roomSessionId, fence).openPipe(from);
      return {};
    },
    'cascade.closePipe': ({ roomSessionId, nodeId }, fence) => {
      this.#room(roomSessionId, fence).dropPipe(nodeId);
      return {};
    },
    'cascade.pipeProducer': ({ roomSessionId, nodeId, producerId }, fence) =>
      this.#room(roomSessionId, fence).pipeProducer(nodeId, producerId),
    'cascade.messages': ({ roomSessionId, from, messages }, fence) => {
      this.#room(roomSessionId, fence).receiveMessages(from, messages);
      return {};
    },
    'cascade.unpipeProducer': ({ roomSessionId, nodeId, producerId }, fence) => {
      this.#room(roomSessionId, fence).unpipeProducer(nodeId, producerId);
      return {};
    },
  };

  /** Ids of the sessions that stand: admitted, made and told to Redis. */
  get sessions(): ReadonlyMap<string, User> {
    const users = [...this.#open.values()].flatMap((room) => Array.from(room.users));
    return new Map(users.filter((user) => user.joined).map((user) => [user.session.sessionId, user]));
  }

  /**
   * Carries out one control command.
   * @param params as they came; parsed here.
   * @throws ProblemError, SdpError.
   */
  async execute<C extends ControlCommand>(command: C, params: unknown, fence: Fence): Promise<ControlResult<C>> {
    if (this.#closed) throw new ProblemError('draining');
    const parsed = controlCommands[command].params.safeParse(params);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      throw new ProblemError(
        'invalid_request',
        `${issue?.path.join('.') ?? 'params'}: ${issue?.message ?? 'not usable'}`,
      );
    }
    return this.#handlers[command](parsed.data, fence);
  }

  async #createSession(
    params: ControlParams<'session.create'>,
    fence: Fence,
  ): Promise<ControlResult<'session.create'>> {
    const { room: record, members } = params;
    let room = await (this.#rooms.get(record.roomSessionId) ?? this.#makeRoom(record));
    // It may have emptied and closed since; then it is off the list and made anew.
    while (room.closed) room = await (this.#rooms.get(record.roomSessionId) ?? this.#makeRoom(record));
    const release = room.hold();
    try {
      room.checkEpoch(fence.epoch);
      await room.meet(members);
      return await room.addUser(params, fence.deadline);
    } finally {
      release();
    }
  }

  #makeRoom(record: ControlParams<'session.create'>['room']): Promise<Room> {
    const { roomSessionId } = record;
    const environment = { ...this.#environment, nextVersion: () => (this.#version += 1) };
    const closed = (room: Room) => {
      if (this.#open.get(roomSessionId) !== room) return;
      this.#open.delete(roomSessionId);
      this.#rooms.delete(roomSessionId);
    };
    const making = Room.create(record, environment, closed).then(
      (room) => {
        this.#open.set(roomSessionId, room);
        if (this.#closed) room.close(null);
        return room;
      },
      (error: unknown) => {
        this.#rooms.delete(roomSessionId);
        throw error;
      },
    );
    this.#rooms.set(roomSessionId, making);
    return making;
  }

  #room(roomSessionId: string, fence: Fence): Room {
    const room = this.#open.get(roomSessionId);
    if (!room) throw new ProblemError('room_not_hosted');
    room.checkEpoch(fence.epoch);
    return room;
  }

  #user(roomSessionId: string, sessionId: string, fence: Fence): User {
    const room = this.#open.get(roomSessionId);
    const user = room?.user(sessionId);
    if (!room || !user) throw new ProblemError('session_gone');
    room.checkEpoch(fence.epoch);
    return user;
  }

  /** Runs a call on a User. One that ends under way answers `session_gone`, whatever it stumbled over. */
  async #onUser<T>(
    roomSessionId: string,
    sessionId: string,
    fence: Fence,
    work: (user: User) => Promise<T> | T,
  ): Promise<T> {
    const user = this.#user(roomSessionId, sessionId, fence);
    try {
      return await work(user);
    } catch (error) {
      if (user.closed)
        throw new ProblemError('session_gone', 'the session ended meanwhile', undefined, { cause: error });
      throw error;
    }
  }

  /** Ends every Room; Users leave with `node_lost`. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const room of this.#open.values()) room.close('node_lost');
  }
}
