import {
  CODEC_TABLE_VERSION,
  controlCommands,
  type ControlCommand,
  type NodeRecord,
  type RoomRecord,
  type SessionRecord,
} from '@mediaserver/contracts';
import { createCoordinatorMetrics, createLogger } from '@mediaserver/telemetry';
import { vi } from 'vitest';
import { Background } from './background.ts';
import { Coordinator, type CallRegistry } from './coordinator.ts';
import { NodeClient } from './node-client.ts';
import { NodeDirectory } from './node-directory.ts';
import { SessionCache } from './session-cache.ts';

function nodeRecord(nodeId: string): NodeRecord {
  return {
    descriptor: {
      nodeId,
      bootId: `${nodeId}-boot`,
      controlUrl: `http://${nodeId}:4001`,
      region: null,
      version: 'test',
      codecTableVersion: CODEC_TABLE_VERSION,
      workers: 1,
    },
    state: 'ready',
    load: { ratio: 0, rooms: 0, sessions: 0, producers: 0, consumers: 0 },
    alive: true,
    reserved: 0,
  };
}

export const room: RoomRecord = {
  tenant: 'default',
  roomId: 'r',
  roomSessionId: 'life-1',
  spec: {
    maxUsers: 100,
    emptyTimeoutSeconds: 300,
    graceSeconds: 30,
    onSecondDevice: 'replace',
    region: null,
    placement: { strategy: 'pack' },
    metadata: {},
    media: { codecs: ['opus', 'VP8'] },
  },
  homeNodeId: 'node-1',
  epoch: 7,
  eventEpoch: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  version: 1,
};

export function sessionRecord(sessionId: string, more: Partial<SessionRecord> = {}): SessionRecord {
  return {
    userId: 'anna',
    sessionId,
    deviceId: null,
    displayName: null,
    roomId: room.roomId,
    roomSessionId: room.roomSessionId,
    nodeId: 'node-1',
    bootId: 'node-1-boot',
    state: 'joined',
    ordinal: 1,
    subscribe: 'all',
    permissions: { publish: true, subscribe: true },
    metadata: {},
    joinedAt: '2026-01-01T00:00:00.000Z',
    version: 1,
    ...more,
  };
}

/** A control client that answers what the test says; unknown commands succeed with nothing. */
class FakeControl {
  readonly sent: {
    nodeId: string;
    command: ControlCommand;
    params: unknown;
    key: string | undefined;
    epoch: number;
    requestId: string | undefined;
  }[] = [];
  /** Answers, by command; a thrown error is the node's refusal. */
  readonly answers: { [command: string]: ((nodeId: string) => unknown) | undefined } = {};

  call: ConstructorParameters<typeof NodeClient>[0]['call'] = (target, command, params, options) => {
    const nodeId = new URL(target.controlUrl).hostname;
    const { idempotencyKey: key, epoch, requestId } = options;
    this.sent.push({ nodeId, command, params, key, epoch, requestId });
    return Promise.try(() => controlCommands[command].result.parse(this.answers[command]?.(nodeId) ?? {}));
  };

  commands(): string[] {
    return this.sent.map(({ nodeId, command }) => `${nodeId} ${command}`);
  }
}

/** A coordinator over a registry and nodes that do what the test says. */
export function fakeCoordinator() {
  const unexpected = (name: string) => vi.fn(() => Promise.reject(new Error(`${name} was not expected`)));
  const registry = {
    listNodes: vi.fn(() => Promise.resolve([nodeRecord('node-1'), nodeRecord('node-2')])),
    getRoomPlacement: vi.fn<CallRegistry['getRoomPlacement']>(() =>
      Promise.resolve({ room, sessionsPerNode: { 'node-1': 1 } }),
    ),
    admitSession: vi.fn<CallRegistry['admitSession']>(({ candidates, session }) => {
      const [first] = candidates;
      if (!first) return Promise.resolve({ status: 'no_candidate', refusals: {} });
      const { nodeId, bootId } = first;
      return Promise.resolve({
        status: 'admitted',
        room,
        session: sessionRecord(session.sessionId, { nodeId, bootId, state: 'joining' }),
        memberNodeIds: ['node-1', nodeId],
        replaces: [],
      });
    }),
    withdrawSession: vi.fn<CallRegistry['withdrawSession']>(() => Promise.resolve()),
    endSession: vi.fn<CallRegistry['endSession']>(() => Promise.resolve()),
    findSessions: vi.fn<CallRegistry['findSessions']>(() =>
      Promise.resolve({ room, sessions: [sessionRecord('s-1')], lastSeq: 2 }),
    ),
    createRoom: vi.fn<CallRegistry['createRoom']>(() => Promise.resolve({ status: 'created', room })),
    getRoom: unexpected('getRoom'),
    listRooms: unexpected('listRooms'),
    readRoom: unexpected('readRoom'),
    closeRoom: unexpected('closeRoom'),
    readEvents: unexpected('readEvents'),
  } satisfies CallRegistry;
  const control = new FakeControl();
  control.answers['session.create'] = () => ({ publish: null, subscribe: null, lastSeq: 2 });
  const log = createLogger('test', 'silent');
  const metrics = createCoordinatorMetrics();
  const nodes = new NodeDirectory(registry, metrics.nodes);
  const background = new Background(log);
  const coordinator = new Coordinator({
    registry,
    nodes,
    client: new NodeClient(control, nodes),
    cache: new SessionCache(),
    background,
    metrics,
    log,
    random: () => 0,
  });
  return { coordinator, registry, control, background, metrics };
}
