/** Fixtures and stand-ins for the tests of this library. */
import { readFileSync } from 'node:fs';
import type { CodecName, MediaKind, PublishTrack } from '@mediaserver/contracts';
import * as ortc from 'mediasoup/ortc';
import type { RtpCapabilities, RtpParameters } from 'mediasoup/types';
import {
  completePublish,
  createPubState,
  planPublish,
  routerRtpCapabilities,
  SdpError,
  type ApplyPlan,
  type LocalTransportDescription,
  type NegotiationContext,
  type ProduceAction,
  type PublishAnswer,
  type PubState,
} from './index.ts';

const FIXTURES = new URL('../../../test/fixtures/sdp/', import.meta.url);

export interface RecordedSdp {
  readonly file: string;
  readonly client: string;
  readonly scenario: string;
  readonly role: 'offer' | 'answer';
  /** How the client was brought to write it. */
  readonly how: string;
  /** Of an answer: the server's offer. */
  readonly offer?: string;
}

export function recordedSdps(): RecordedSdp[] {
  return JSON.parse(readFileSync(new URL('manifest.json', FIXTURES), 'utf8'));
}

export function recorded(file: string): string {
  return readFileSync(new URL(file, FIXTURES), 'utf8');
}

export const chromium = (scenario: string) => recorded(`chromium-156.0.8078.79-${scenario}.sdp`);
export const firefox = (scenario: string) => recorded(`firefox-153.7.0-${scenario}.sdp`);
export const gstreamer = (scenario: string) => recorded(`gstreamer-1.22.0-${scenario}.sdp`);

export const router: RtpCapabilities = routerRtpCapabilities();
const allCodecs: readonly CodecName[] = ['opus', 'VP8', 'H264', 'VP9', 'AV1'];
export const context: NegotiationContext = { routerRtpCapabilities: router, codecs: allCodecs };

export function transport(ufrag = 'serverUfrag'): LocalTransportDescription {
  return {
    iceParameters: { usernameFragment: ufrag, password: 'serverPassword0123456789abcdef', iceLite: true },
    iceCandidates: [
      {
        foundation: 'udpcandidate',
        priority: 1_076_302_079,
        ip: '192.0.2.1',
        address: '192.0.2.1',
        protocol: 'udp',
        port: 44_444,
        type: 'host',
      },
      {
        foundation: 'tcpcandidate',
        priority: 1_076_276_479,
        ip: '192.0.2.1',
        address: '192.0.2.1',
        protocol: 'tcp',
        port: 44_444,
        type: 'host',
        tcpType: 'passive',
      },
    ],
    dtlsParameters: {
      role: 'auto',
      fingerprints: [
        { algorithm: 'sha-1', value: hash('01', 20) },
        { algorithm: 'sha-256', value: hash('ab', 32) },
      ],
    },
  };
}

export function hash(byte: string, bytes: number): string {
  return Array.from({ length: bytes }, () => byte).join(':');
}

// ── Offers by hand ──────────────────────────────────────────────────────────────────────────────

export const MID_EXTMAP = 'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid';
export const TCC_EXTMAP = 'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
export const AST_EXTMAP = 'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
export const RID_EXTMAPS = [
  'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
];

export const OPUS = [
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
];
export const VP8 = [
  'a=rtpmap:96 VP8/90000',
  'a=rtcp-fb:96 goog-remb',
  'a=rtcp-fb:96 transport-cc',
  'a=rtcp-fb:96 ccm fir',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
];
export function h264(payloadType: number, fmtp: string): string[] {
  return [`a=rtpmap:${payloadType} H264/90000`, `a=fmtp:${payloadType} ${fmtp}`];
}

export interface SectionSpec {
  kind?: string;
  /** null leaves a=mid out. */
  mid?: string | null;
  port?: number;
  protocol?: string;
  direction?: string;
  codecs?: readonly string[];
  extensions?: readonly string[];
  /** Replaces ICE, setup and fingerprint. */
  transport?: readonly string[];
  rtcpMux?: boolean;
  lines?: readonly string[];
}

export interface OfferSpec {
  /** Defaults to all mids; null leaves the group out. */
  bundle?: readonly string[] | null;
  sessionId?: string;
  version?: number;
  session?: readonly string[];
}

export const TRANSPORT_LINES = [
  'a=ice-ufrag:clie',
  'a=ice-pwd:clientPassword0123456789',
  `a=fingerprint:sha-256 ${hash('CD', 32)}`,
  'a=setup:actpass',
];

export const audio = (spec: SectionSpec = {}): SectionSpec => ({
  kind: 'audio',
  mid: '0',
  codecs: OPUS,
  lines: ['a=ssrc:1111 cname:client'],
  ...spec,
});
export const video = (spec: SectionSpec = {}): SectionSpec => ({
  kind: 'video',
  mid: '1',
  codecs: VP8,
  lines: ['a=ssrc-group:FID 2222 3333', 'a=ssrc:2222 cname:client', 'a=ssrc:3333 cname:client'],
  ...spec,
});

export function offer(sections: readonly SectionSpec[], spec: OfferSpec = {}): string {
  const bundle =
    spec.bundle === undefined ? sections.flatMap(({ mid }) => (typeof mid === 'string' ? [mid] : [])) : spec.bundle;
  const lines = [
    'v=0',
    `o=- ${spec.sessionId ?? '4611731400430051336'} ${spec.version ?? 2} IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    ...(bundle === null ? [] : [`a=group:BUNDLE ${bundle.join(' ')}`]),
    ...(spec.session ?? []),
  ];
  for (const section of sections) {
    const { kind = 'audio', mid = null, port = 9, protocol = 'UDP/TLS/RTP/SAVPF', direction = 'sendonly' } = section;
    const codecs = section.codecs ?? [];
    const formats = [...new Set(codecs.flatMap((line) => /^a=rtpmap:(\d+)/.exec(line)?.slice(1) ?? []))];
    lines.push(
      `m=${kind} ${port} ${protocol} ${formats.join(' ') || 'webrtc-datachannel'}`,
      'c=IN IP4 0.0.0.0',
      ...(mid === null ? [] : [`a=mid:${mid}`]),
      ...(section.transport ?? TRANSPORT_LINES),
      `a=${direction}`,
      ...((section.rtcpMux ?? true) ? ['a=rtcp-mux', 'a=rtcp-rsize'] : []),
      ...(section.extensions ?? [MID_EXTMAP, TCC_EXTMAP, AST_EXTMAP]),
      ...codecs,
      ...(section.lines ?? []),
    );
  }
  return `${lines.join('\r\n')}\r\n`;
}

// ── Publishing ──────────────────────────────────────────────────────────────────────────────────

/** A source for every section that has a mid; a=mid is read naively on purpose. */
export function tracksOf(sdp: string): PublishTrack[] {
  return [...sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid = ''], index) => ({ mid, source: `source-${index}` }));
}

export interface PlanOptions extends Partial<NegotiationContext> {
  readonly state?: PubState;
  readonly tracks?: readonly PublishTrack[];
}

export function plan(sdp: string, options: PlanOptions = {}): ApplyPlan {
  const { state = createPubState(1), tracks = tracksOf(sdp), ...overrides } = options;
  const result = planPublish(state, { ...context, ...overrides, sdp, tracks });
  if (result.type !== 'apply') throw new Error('expected a plan to apply');
  return result;
}

let nextProducer = 1;

export function publish(sdp: string, options: PlanOptions = {}): PublishAnswer & { plan: ApplyPlan } {
  const applied = plan(sdp, options);
  const producerIds = new Map(produced(applied).map(({ mid }) => [mid, `producer-${nextProducer++}`]));
  return {
    plan: applied,
    ...completePublish(applied, { transport: transport(), producerIds, sdpSessionId: '8123456789' }),
  };
}

export function produced({ actions }: ApplyPlan): ProduceAction[] {
  return actions.filter((action) => action.type === 'produce');
}

export function errorOf(run: () => unknown): { code: string; mid: string | undefined } {
  try {
    run();
  } catch (error) {
    if (error instanceof SdpError) return { code: error.code, mid: error.mid };
    throw error;
  }
  throw new Error('expected an SdpError');
}

export function codeOf(run: () => unknown): string {
  return errorOf(run).code;
}

/** The text of m-section `index`, session part is -1. */
export function sectionText(sdp: string, index: number): string {
  return sdp.split(/^(?=m=)/m)[index + 1] ?? '';
}

export function linesOf(sdp: string, prefix: string): string[] {
  return sdp.split('\r\n').filter((line) => line.startsWith(prefix));
}

// ── Consuming ───────────────────────────────────────────────────────────────────────────────────

/** What `transport.consume({mid})` would give for what a client published, with the Worker left out. */
export function consume(
  kind: MediaKind,
  producer: RtpParameters,
  capabilities: RtpCapabilities,
  mid: string,
): RtpParameters {
  const parameters = structuredClone(producer);
  ortc.validateAndNormalizeRtpParameters(parameters);
  const caps = structuredClone(router);
  const mapping = ortc.getProducerRtpParametersMapping(parameters, caps);
  const consumable = ortc.getConsumableRtpParameters(kind, parameters, caps, mapping);
  const remote = structuredClone(capabilities);
  ortc.validateAndNormalizeRtpCapabilities(remote);
  const consumer = ortc.getConsumerRtpParameters({
    consumableRtpParameters: consumable,
    remoteRtpCapabilities: remote,
    pipe: false,
    enableRtx: kind === 'video',
  });
  return structuredClone({ ...consumer, mid });
}

/** A write to it throws from now on: whatever fails half-way has changed nothing. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
