/** What a call to the registry can fail with; everything else is a result. */
export const registryErrorCodes = [
  /** Not connected, or no answer in time. The effect is unknown: repeat the same call, all of them may be repeated. */
  'registry_unavailable',
  /** Redis answered and refused the write: out of memory, read-only replica, missing rights. Nothing was changed. */
  'registry_refused',
  /** What Redis holds does not fit its schema, or a script failed. */
  'registry_corrupt',
  /** `close()` was called. */
  'registry_closed',
] as const;
export type RegistryErrorCode = (typeof registryErrorCodes)[number];

export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: RegistryErrorCode;

  constructor(code: RegistryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const REFUSED = /^(OOM|NOPERM|NOAUTH|WRONGPASS|MISCONF|NOREPLICAS)\b/;
const AWAY = /^(LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|READONLY|UNBLOCKED|MOVED|ASK)\b/;

/** Names what ioredis or Redis failed with. */
export function toRegistryError(error: unknown, what: string): RegistryError {
  if (error instanceof RegistryError) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  const answered = error instanceof Error && error.name === 'ReplyError';
  const code =
    !answered || AWAY.test(message)
      ? 'registry_unavailable'
      : REFUSED.test(message)
        ? 'registry_refused'
        : 'registry_corrupt';
  return new RegistryError(code, `${what}: ${message}`, { cause: error });
}
