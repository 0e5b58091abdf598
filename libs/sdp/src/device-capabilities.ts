import type { RtpCapabilities } from 'mediasoup/types';
import type { NegotiationContext } from './types.ts';

/** What a device can receive, told by a throw-away recvonly offer, in the Router's payload types and extension ids. */
export function deviceCapabilities(_capabilitiesSdp: string, _context: NegotiationContext): RtpCapabilities {
  throw new Error('not yet');
}
