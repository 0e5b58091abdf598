import { CODEC_TABLE } from '@mediaserver/contracts';
import type { RouterRtpCodecCapability } from 'mediasoup/types';

/** The `mediaCodecs` of every Router: the whole codec table, in its order, with its payload types. */
export function routerCodecs(): RouterRtpCodecCapability[] {
  return CODEC_TABLE.map((codec) => ({
    kind: codec.kind,
    mimeType: codec.mimeType,
    clockRate: codec.clockRate,
    ...(codec.channels === undefined ? {} : { channels: codec.channels }),
    preferredPayloadType: codec.payloadType,
    parameters: { ...codec.parameters },
  }));
}
