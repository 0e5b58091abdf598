import { limits } from './limits.ts';

export type FmtpParameters = Record<string, string | number>;

/** Parameters that codecs are matched by as numbers; all others stay as written (`profile-level-id=640010` is no number). */
const NUMERIC = new Set([
  'apt',
  'packetization-mode',
  'level-asymmetry-allowed',
  'profile-id',
  'profile',
  'tier',
  'stereo',
]);
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Answers repeat values: with spaces or anything invisible in them they would read as something else. */
const VALUE = /^[\x21-\x7e]*$/;
const SMALL_INTEGER = /^\d{1,9}$/;
const FORBIDDEN = new Set(['constructor', 'prototype']);

/**
 * The parameters of an `a=fmtp` line (RFC 8866 §6.15). What is not `name=value` is skipped: the format is
 * each payload format's own. Names that mean something to JavaScript objects cannot come through.
 */
export function parseFmtp(config: string): FmtpParameters {
  const parameters: FmtpParameters = {};
  for (const part of config.split(';', limits.fmtpParameters)) {
    const equals = part.indexOf('=');
    if (equals < 1) continue;
    const name = part.slice(0, equals).trim().toLowerCase();
    const value = part.slice(equals + 1).trim();
    if (!NAME.test(name) || FORBIDDEN.has(name) || !VALUE.test(value)) continue;
    parameters[name] = NUMERIC.has(name) && SMALL_INTEGER.test(value) ? Number(value) : value;
  }
  return parameters;
}

export function formatFmtp(parameters: Readonly<Record<string, unknown>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(';');
}
