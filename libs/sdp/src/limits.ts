import { MAX_SDP_BYTES } from '@mediaserver/contracts';

/** The one SCTP port mediasoup knows, for both ends. */
export const SCTP_PORT = 5000;

/** Bounds on what a client may write. They hold before parsing, so that work per request is bounded too. */
export const limits = {
  bytes: MAX_SDP_BYTES,
  sections: 128,
  /** Of an offer of ours: 200 users with audio and video. Its answer may have as many. */
  subscribeSections: 400,
  lineLength: 4096,
  midLength: 16,
  /** Per media section; far above what any client writes, low enough to bound quadratic look-ups. */
  payloadTypes: 128,
  headerExtensions: 256,
  ssrcs: 256,
  feedback: 1024,
  rids: 32,
  fmtpParameters: 64,
  fingerprints: 16,
} as const;
