import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PublishRequest } from './media-server.ts';

/** What a page sent cannot be used. */
export class InputError extends Error {
  override name = 'InputError';
}

const MAX_NAME = 64;
const MAX_SDP = 512 * 1024;
const MAX_TRACKS = 16;
/** What the media server allows in ids. */
const ROOM_ID = /^[A-Za-z0-9][A-Za-z0-9._~@+-]{0,127}$/;
const SOURCES = new Set(['microphone', 'camera', 'screen', 'screen-audio']);

export function readName(value: unknown): string {
  const name = typeof value === 'string' ? value.trim().replaceAll(/\s+/g, ' ') : '';
  if (name === '' || name.length > MAX_NAME || /\p{Cc}/u.test(name)) {
    throw new InputError(`name: 1 to ${MAX_NAME} characters are needed`);
  }
  return name;
}

export function readRoomId(value: unknown): string {
  if (typeof value !== 'string' || !ROOM_ID.test(value)) {
    throw new InputError('room: letters, digits and . _ ~ @ + - are allowed, beginning with a letter or digit');
  }
  return value;
}

export function readSdp(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_SDP)
    throw new InputError(`${field}: SDP is needed`);
  return value;
}

/** Picks the known fields: a page cannot slip anything else into a call made with our API key. */
export function readPublish(value: unknown): PublishRequest {
  const { sdp, tracks } = readObject(value, 'publish');
  if (!Array.isArray(tracks) || tracks.length > MAX_TRACKS) throw new InputError('tracks: a list is needed');
  return {
    sdp: readSdp(sdp, 'sdp'),
    tracks: tracks.map((track: unknown) => {
      const { mid, source } = readObject(track, 'tracks');
      if (typeof mid !== 'string') throw new InputError('tracks: each needs its mid');
      if (typeof source !== 'string' || !SOURCES.has(source)) throw new InputError('tracks: unknown source');
      return { mid, source };
    }),
  };
}

export function readObject(value: unknown, field: string): Record<string, unknown> {
  if (!isRecord(value)) throw new InputError(`${field}: an object is needed`);
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A readable part of the name, so that logs can be followed, and a random part, so that it is unique. */
export function makeUserId(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 24);
  return `${slug || 'user'}-${randomBytes(5).toString('hex')}`;
}

/**
 * Stands in for the login that a real backend has: a page keeps its identity over a reload and
 * joins again as the same user, and nobody can come as somebody else.
 */
export class Identities {
  readonly #key: Buffer;

  constructor(secret: string) {
    this.#key = createHmac('sha256', secret).update('demo identity').digest();
  }

  issue(userId: string): string {
    return `${userId}:${this.#sign(userId).toString('base64url')}`;
  }

  /** @returns the user id, or undefined where `identity` was not issued here */
  verify(identity: unknown): string | undefined {
    if (typeof identity !== 'string' || identity.length > 256) return undefined;
    const [userId = '', signature = ''] = identity.split(':');
    const given = Buffer.from(signature, 'base64url');
    const expected = this.#sign(userId);
    return given.length === expected.length && timingSafeEqual(given, expected) ? userId : undefined;
  }

  #sign(userId: string): Buffer {
    return createHmac('sha256', this.#key).update(userId).digest();
  }
}
