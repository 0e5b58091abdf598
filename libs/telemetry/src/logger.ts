import { pino, type DestinationStream, type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * Keys whose values are never written, at any depth we log: credentials, SRTP keys, and SDP, which
 * carries ICE passwords.
 */
const REDACTED = [
  'authorization',
  'apiKey',
  'secret',
  'password',
  'credential',
  'sdp',
  'capabilitiesSdp',
  'srtpParameters',
  'keyBase64',
  'iceParameters',
];

/**
 * Of an error only what it says of itself: libraries attach what they were doing to it (ioredis the
 * failed command, and so the password of an AUTH).
 */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = 'code' in error && ['string', 'number'].includes(typeof error.code) ? { code: error.code } : {};
  const cause = error.cause instanceof Error ? { cause: { type: error.cause.name, message: error.cause.message } } : {};
  return { type: error.name, message: error.message, stack: error.stack, ...code, ...cause };
}

/**
 * JSON lines on stdout.
 * @param service `coordinator` or `node`; @param level pino level name.
 * @param destination where lines go instead of stdout (tests).
 */
export function createLogger(service: string, level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
    },
    ...(destination ? [destination] : []),
  );
}
