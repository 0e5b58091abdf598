/** mediasoup's parameters in few words, for people. */
import type { RtcpFeedback, RtpCapabilities, RtpEncodingParameters, RtpParameters } from 'mediasoup/types';
import type { PubAction, SubAction } from '../src/index.ts';
import { formatFmtp } from '../src/fmtp.ts';

/** Last part of a header extension's URI: `sdes:mid` → `mid`; the transport-cc draft by its usual name. */
export function extensionName(uri: string): string {
  if (uri.includes('transport-wide-cc')) return 'transport-cc';
  const name = uri.slice(Math.max(uri.lastIndexOf('/'), uri.lastIndexOf(':'), uri.lastIndexOf('#')) + 1);
  return name.replace(/-rtp-header-extension$/, '');
}

export function feedbackName({ type, parameter }: RtcpFeedback): string {
  return parameter ? `${type} ${parameter}` : type;
}

/** One action, the first line says what, the others with what. */
export function actionLines(action: PubAction | SubAction): string[] {
  switch (action.type) {
    case 'connect': {
      const { role = 'auto', fingerprints } = action.dtlsParameters;
      return [`connect: the client is DTLS ${role}, ${fingerprints.map(({ algorithm }) => algorithm).join(', ')}`];
    }
    case 'produce': {
      const { mid, source, kind, rtpParameters, paused } = action;
      return [`produce mid ${mid}: ${kind} ${source}${paused ? ', paused' : ''}`, ...rtpLines(rtpParameters)];
    }
    case 'closeProducer':
    case 'pauseProducer':
    case 'resumeProducer':
    case 'resumeConsumer':
    case 'pauseConsumer':
      return [`${action.type} mid ${action.mid}`];
    case 'closeConsumer':
      return [`closeConsumer mid ${action.mid}: ${action.code}`];
    case 'replaceTransport':
      return ['replaceTransport: the client lost its transport; everything is produced anew on another'];
    case 'openData':
      return ['openData: both data channels'];
    case 'restartIce':
      break;
  }
  return [action.type];
}

function rtpLines({ codecs, encodings = [], headerExtensions = [] }: RtpParameters): string[] {
  return [
    ...codecs.map(({ mimeType, payloadType, clockRate, channels, parameters = {}, rtcpFeedback = [] }) => {
      const rate = `${clockRate}${channels !== undefined && channels > 1 ? `/${channels}` : ''}`;
      const fmtp = formatFmtp(Object.fromEntries(Object.entries(parameters)));
      const feedback = rtcpFeedback.map(feedbackName).join(', ');
      return `  codec ${payloadType} ${mimeType}/${rate}${fmtp && ` ${fmtp}`}${feedback && ` [${feedback}]`}`;
    }),
    ...encodings.map(
      (encoding, layer) => `  ${encodings.length > 1 ? `layer ${layer}` : 'encoding'} ${encodingText(encoding)}`,
    ),
    `  extensions ${headerExtensions.map(({ id, uri }) => `${id} ${extensionName(uri)}`).join(', ') || '-'}`,
  ];
}

export function encodingText({ rid, ssrc, rtx, scalabilityMode }: RtpEncodingParameters): string {
  const parts = [
    rid === undefined ? '' : `rid ${rid}`,
    ssrc === undefined ? '' : `ssrc ${ssrc}`,
    rtx === undefined ? '' : `rtx ${rtx.ssrc}`,
    scalabilityMode ?? '',
  ].filter(Boolean);
  return parts.join(' ') || 'found by its mid';
}

/** What a device can receive, in the Router's numbers. */
export function capabilityLines({ codecs = [], headerExtensions = [] }: RtpCapabilities): string[] {
  return [
    ...codecs.map(({ mimeType, preferredPayloadType, parameters = {}, rtcpFeedback = [] }) => {
      const fmtp = formatFmtp(parameters);
      const feedback = rtcpFeedback.map(feedbackName).join(', ');
      return `${preferredPayloadType} ${mimeType}${fmtp && ` ${fmtp}`}${feedback && ` [${feedback}]`}`;
    }),
    ...(['audio', 'video'] as const).map((kind) => {
      const own = headerExtensions.filter((extension) => extension.kind === kind);
      return `${kind} extensions ${own.map(({ preferredId, uri }) => `${preferredId} ${extensionName(uri)}`).join(', ') || '-'}`;
    }),
  ];
}

/** Rows as columns of even width, two spaces between; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
