import { CODEC_TABLE } from '@mediaserver/contracts';
import type { RouterRtpCodecCapability } from 'mediasoup/types';

/** The `mediaCodecs` of every Router: the whole codec table, in its order, with its payload types. */
export function routerCodecs(): RouterRtpCodecCapability[] {
  return CODEC_TABLE.map(({ kind, mimeType, clockRate, channels, payloadType, parameters }) => {
    const codec: RouterRtpCodecCapability = {
      kind,
      mimeType,
      clockRate,
      preferredPayloadType: payloadType,
      parameters: structuredClone(parameters),
    };
    if (channels !== undefined) codec.channels = channels;
    return codec;
  });
}
