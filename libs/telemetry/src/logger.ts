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
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[redacted]' },
    },
    ...(destination ? [destination] : []),
  );
}
