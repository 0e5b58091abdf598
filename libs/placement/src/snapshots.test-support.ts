import type { NodeRecord } from '@mediaserver/contracts';

/** A node for tests: ready, alive and idle unless told otherwise. */
export function snapshotOf(
  nodeId: string,
  changes: {
    ratio?: number;
    sessions?: number;
    reserved?: number;
    alive?: boolean;
    state?: NodeRecord['state'];
    region?: string | null;
    workers?: number;
    codecTableVersion?: number;
  } = {},
): NodeRecord {
  return {
    descriptor: {
      nodeId,
      bootId: `boot-of-${nodeId}`,
      controlUrl: `http://${nodeId}:4001`,
      region: changes.region ?? null,
      version: '0.1.0',
      codecTableVersion: changes.codecTableVersion ?? 1,
      workers: changes.workers ?? 2,
    },
    state: changes.state ?? 'ready',
    load: { ratio: changes.ratio ?? 0, rooms: 0, sessions: changes.sessions ?? 0, producers: 0, consumers: 0 },
    alive: changes.alive ?? true,
    reserved: changes.reserved ?? 0,
  };
}
