/**
 * The one codec table of a cluster. Every Router on every node is made from all of it, in this
 * order, so that payload types mean the same everywhere and a producer can be piped unchanged.
 * A room's codec choice selects and orders at negotiation; it never renumbers.
 *
 * RTX payload types are listed because clients see them; mediasoup itself allots them as the next
 * free dynamic number after each video codec, and a test holds it to this table.
 */
export const CODEC_TABLE_VERSION = 1;

/** Names a room's `media.codecs` may use. */
export const codecNames = ['opus', 'VP8', 'VP9', 'H264', 'AV1'] as const;
export type CodecName = (typeof codecNames)[number];

export interface TableCodec {
  readonly name: CodecName;
  readonly kind: 'audio' | 'video';
  readonly mimeType: string;
  readonly clockRate: number;
  readonly channels?: number;
  readonly payloadType: number;
  readonly rtxPayloadType?: number;
  readonly parameters: Readonly<Record<string, string | number>>;
}

export const CODEC_TABLE: readonly TableCodec[] = [
  {
    name: 'opus',
    kind: 'audio',
    mimeType: 'audio/opus',
    clockRate: 48_000,
    channels: 2,
    payloadType: 100,
    parameters: { minptime: 10, useinbandfec: 1, stereo: 1 },
  },
  {
    name: 'VP8',
    kind: 'video',
    mimeType: 'video/VP8',
    clockRate: 90_000,
    payloadType: 101,
    rtxPayloadType: 102,
    parameters: {},
  },
  {
    name: 'VP9',
    kind: 'video',
    mimeType: 'video/VP9',
    clockRate: 90_000,
    payloadType: 103,
    rtxPayloadType: 104,
    parameters: { 'profile-id': 0 },
  },
  {
    name: 'H264',
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    payloadType: 105,
    rtxPayloadType: 106,
    parameters: { 'packetization-mode': 1, 'level-asymmetry-allowed': 1, 'profile-level-id': '42e01f' },
  },
  {
    name: 'H264',
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    payloadType: 107,
    rtxPayloadType: 108,
    parameters: { 'packetization-mode': 1, 'level-asymmetry-allowed': 1, 'profile-level-id': '640c1f' },
  },
  {
    name: 'H264',
    kind: 'video',
    mimeType: 'video/H264',
    clockRate: 90_000,
    payloadType: 109,
    rtxPayloadType: 110,
    parameters: { 'packetization-mode': 0, 'level-asymmetry-allowed': 1, 'profile-level-id': '42e01f' },
  },
  {
    name: 'AV1',
    kind: 'video',
    mimeType: 'video/AV1',
    clockRate: 90_000,
    payloadType: 111,
    rtxPayloadType: 112,
    parameters: {},
  },
];
