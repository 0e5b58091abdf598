import { readFileSync } from 'node:fs';

/** PEM texts of one side of the mutual TLS between coordinators and nodes. */
export interface ControlTls {
  readonly cert: string;
  readonly key: string;
  /** The authority both sides' certificates come from. */
  readonly ca: string;
}

/**
 * @returns the key material named by the three settings, or null if none is set.
 * @throws Error if only some are set or a file cannot be read.
 */
export function loadControlTls(files: {
  cert: string | undefined;
  key: string | undefined;
  ca: string | undefined;
}): ControlTls | null {
  const { cert, key, ca } = files;
  if (cert === undefined && key === undefined && ca === undefined) return null;
  if (cert === undefined || key === undefined || ca === undefined) {
    throw new Error('CONTROL_TLS_CERT, CONTROL_TLS_KEY and CONTROL_TLS_CA must be set together');
  }
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8'), ca: readFileSync(ca, 'utf8') };
}

/** Whether only this host can reach a listener on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
