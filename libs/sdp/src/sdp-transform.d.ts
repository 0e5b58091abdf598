/** It has no types of its own; what it returns is parsed like any other foreign value. */
declare module 'sdp-transform' {
  export function parse(sdp: string): unknown;
  export function write(session: unknown): string;
}
