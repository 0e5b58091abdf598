import type { SdpErrorCode } from '@mediaserver/contracts';

/** The only error this library throws for what a client wrote. `message` never repeats client text. */
export class SdpError extends Error {
  override readonly name = 'SdpError';
  readonly code: SdpErrorCode;
  /** The media section the error is about, where it is about one. */
  readonly mid: string | undefined;

  constructor(code: SdpErrorCode, message: string, mid?: string) {
    super(message);
    this.code = code;
    this.mid = mid;
  }
}
