import { createHash, timingSafeEqual } from 'node:crypto';
import { DEFAULT_TENANT, ProblemError } from '@mediaserver/contracts';

/** The key of a machine nobody else can reach. */
export const DEVELOPMENT_KEY = 'dev-key';
/** No key of ours is longer; longer ones are not worth hashing. */
const MAX_HEADER_LENGTH = 512;

/** SHA-256 of an API key; keys are long random strings, so no slow hash is needed. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Who calls. */
export interface Caller {
  readonly tenant: string;
}

/** The API keys that are accepted, known by their hashes. */
export class ApiKeys {
  readonly #hashes: readonly Buffer[];

  constructor(hashes: readonly Buffer[]) {
    this.#hashes = hashes;
  }

  /**
   * @param header the `Authorization` header.
   * @throws ProblemError `unauthorized`; the message does not say in which way.
   */
  authenticate(header: string | undefined): Caller {
    const key =
      header !== undefined && header.length <= MAX_HEADER_LENGTH ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined;
    if (key === undefined) throw new ProblemError('unauthorized', 'Authorization: Bearer <key> is required');
    const presented = hashKey(key);
    // All of them are compared, each in constant time: the time says nothing about the keys.
    const matches = this.#hashes.filter((hash) => timingSafeEqual(hash, presented));
    if (matches.length === 0) throw new ProblemError('unauthorized', 'the API key is not valid');
    return { tenant: DEFAULT_TENANT };
  }
}
