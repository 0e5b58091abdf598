import { CODEC_TABLE } from '@mediaserver/contracts';
import { expect, test } from 'vitest';
import { routerRtpCapabilities } from './index.ts';

test('a Router made from the codec table has exactly its payload types, RTX included', () => {
  const { codecs = [] } = routerRtpCapabilities();
  const expected = CODEC_TABLE.flatMap(({ kind, mimeType, payloadType, rtxPayloadType }) => [
    { payloadType, mimeType, apt: undefined },
    ...(rtxPayloadType === undefined
      ? []
      : [{ payloadType: rtxPayloadType, mimeType: `${kind}/rtx`, apt: payloadType }]),
  ]);
  expect(
    codecs.map(({ preferredPayloadType, mimeType, parameters }) => ({
      payloadType: preferredPayloadType,
      mimeType,
      apt: parameters?.['apt'],
    })),
  ).toEqual(expected);
});

test('a Router made from the codec table has the parameters of the table', () => {
  const { codecs = [] } = routerRtpCapabilities();
  for (const { payloadType, parameters, clockRate, channels } of CODEC_TABLE) {
    const codec = codecs.find(({ preferredPayloadType }) => preferredPayloadType === payloadType);
    expect(codec?.parameters).toEqual(parameters);
    expect([codec?.clockRate, codec?.channels]).toEqual([clockRate, channels]);
  }
});
