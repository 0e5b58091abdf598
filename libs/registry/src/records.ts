import {
  loadReportSchema,
  nodeDescriptorSchema,
  nodeStates,
  roomRecordSchema,
  sessionRecordSchema,
  trackRecordSchema,
  type NodeRecord,
  type RoomRecord,
  type RoomSpec,
  type SessionRecord,
  type TrackRecord,
} from '@mediaserver/contracts';
import { z } from 'zod';
import { RegistryError } from './errors.ts';
import type { FactEnvelope, RoomRef, SessionIntent, Signal } from './types.ts';

/*
 * Between what Redis holds and the records of the contracts. Everything that comes out of Redis is
 * parsed here.
 */

/** Parses a reply or a stored value; a misfit is `registry_corrupt`. */
export function parseAs<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new RegistryError('registry_corrupt', `${what}: ${z.prettifyError(result.error)}`, { cause: result.error });
  }
  return result.data;
}

export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RegistryError('registry_corrupt', `${what}: not JSON`, { cause: error });
  }
}

function parseObject(text: string, what: string): Record<string, unknown> {
  return parseAs(z.record(z.string(), z.unknown()), parseJson(text, what), what);
}

/** A reply of HGETALL from within a script. */
export const flatSchema = z.array(z.string()).transform((flat) => {
  const fields: Record<string, string> = {};
  for (let index = 0; index + 1 < flat.length; index += 2) {
    fields[flat[index] ?? ''] = flat[index + 1] ?? '';
  }
  return fields;
});

/** The fixed part of a room; what scripts change are fields of their own. */
export function roomBody(ref: RoomRef, spec: RoomSpec, createdAt: string): string {
  return JSON.stringify({ ...ref, spec, createdAt });
}

const roomFieldsSchema = z.object({
  body: z.string(),
  home: z.string(),
  epoch: z.coerce.number(),
  eventEpoch: z.coerce.number(),
  version: z.coerce.number(),
});

export function parseRoom(fields: Record<string, string>): RoomRecord {
  const { body, home, epoch, eventEpoch, version } = parseAs(roomFieldsSchema, fields, 'room');
  const record = { ...parseObject(body, 'room'), homeNodeId: home, epoch, eventEpoch, version };
  return parseAs(roomRecordSchema, record, 'room');
}

/** The fixed part of a session's view. */
export function sessionBody(ref: RoomRef, session: SessionIntent): string {
  return JSON.stringify({
    userId: session.userId,
    sessionId: session.sessionId,
    deviceId: session.deviceId,
    displayName: session.displayName,
    roomId: ref.roomId,
    roomSessionId: ref.roomSessionId,
    permissions: session.permissions,
    metadata: session.metadata,
  });
}

/** Three lines of JSON, see `_room.lua`. */
export function parseSession(text: string): SessionRecord {
  const [head, hidden, body] = text.split('\n');
  if (head === undefined || hidden === undefined || body === undefined) {
    throw new RegistryError('registry_corrupt', 'session: not three lines');
  }
  const { bootId, ordinal, subscribe } = parseObject(hidden, 'session');
  const record = { ...parseObject(body, 'session'), ...parseObject(head, 'session'), bootId, ordinal, subscribe };
  return parseAs(sessionRecordSchema, record, 'session');
}

export function parseTrack(text: string): TrackRecord {
  return parseAs(trackRecordSchema, parseJson(text, 'track'), 'track');
}

const nodeStatusSchema = z.object({ state: z.enum(nodeStates), load: loadReportSchema });

export function parseNode(descriptor: string, status: string, alive: boolean, reserved: number): NodeRecord {
  const { state, load } = parseAs(nodeStatusSchema, parseJson(status, 'node status'), 'node status');
  return {
    descriptor: parseAs(nodeDescriptorSchema, parseJson(descriptor, 'node'), 'node'),
    state,
    load,
    alive,
    reserved,
  };
}

const factFieldsSchema = z.object({
  type: z.string(),
  roomId: z.string(),
  epoch: z.coerce.number(),
  at: z.coerce.number(),
  data: z.string(),
});

/** The id is the same at each reading, so a receiver can tell a repeated delivery. */
export function parseFact(
  life: { tenant: string; roomSessionId: string },
  entryId: string,
  fields: Record<string, string>,
): FactEnvelope {
  const { type, roomId, epoch, at, data } = parseAs(factFieldsSchema, fields, 'event');
  const seq = Number.parseInt(entryId, 10);
  return {
    id: `${life.roomSessionId}.${epoch}.${seq}`,
    type,
    tenant: life.tenant,
    roomId,
    roomSessionId: life.roomSessionId,
    eventEpoch: epoch,
    seq,
    occurredAt: new Date(at).toISOString(),
    data: parseObject(data, 'event'),
  };
}

export const signalSchema: z.ZodType<Signal> = z.object({
  type: z.literal('subscribe.offer'),
  tenant: z.string(),
  roomId: z.string(),
  roomSessionId: z.string(),
  sessionId: z.string(),
  userId: z.string(),
  nodeId: z.string(),
  bootId: z.string(),
  at: z.number(),
});
