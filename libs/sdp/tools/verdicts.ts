/** Why the library takes a codec or a header extension of a section, or does not. */
import { CODEC_TABLE, type MediaKind } from '@mediaserver/contracts';
import { allowedRouterCodecs, commonCodecs, rtpmapText } from '../src/codecs.ts';
import { parseFmtp } from '../src/fmtp.ts';
import { acceptedExtensions, routerExtensions } from '../src/header-extensions.ts';
import type { NegotiationContext } from '../src/index.ts';
import type { SdpMedia } from '../src/sdp-document.ts';
import type { OfferedLine } from '../src/sub-state.ts';
import { extensionName } from './short-form.ts';

export interface Verdict {
  /** Payload types or extension ids that share everything below. */
  readonly numbers: readonly number[];
  readonly name: string;
  /** Parameters that tell it from others of its name. */
  readonly details: string;
  /** `possible`: would do as well, another was chosen. */
  readonly use: 'taken' | 'possible' | 'unused';
  readonly why: string;
}

const NOT_FORWARDED: Readonly<Record<string, string>> = {
  red: 'redundancy: the server does not use it; NACK and RTX repair losses instead',
  ulpfec: 'forward error correction: the server does not use it; NACK and RTX repair losses instead',
  'flexfec-03': 'forward error correction: the server does not use it; NACK and RTX repair losses instead',
  flexfec: 'forward error correction: the server does not use it; NACK and RTX repair losses instead',
  'telephone-event': 'DTMF tones: the server does not forward them',
  cn: 'comfort noise for G.711 and the like: Opus has its own',
};

/**
 * Each codec of an offered section. `answered` are the payload types of the answer: the codec, and RTX for it.
 * Codecs with the same verdict are one row.
 */
export function codecVerdicts(
  section: SdpMedia,
  kind: MediaKind,
  context: NegotiationContext,
  answered: readonly number[],
): Verdict[] {
  const [chosen] = answered;
  const allowed = allowedRouterCodecs(context.routerRtpCapabilities, kind, context.codecs);
  const usable = new Set([...commonCodecs(section, kind, allowed)].map(({ payloadType }) => payloadType));
  return merged(
    section.payloadTypes.map((payloadType) => {
      const name = rtpmapText(section, payloadType) ?? 'without a=rtpmap';
      const fmtp = parseFmtp(section.fmtps.get(payloadType) ?? '');
      const row = (use: Verdict['use'], why: string): Verdict => ({
        numbers: [payloadType],
        name,
        details: tellingOf(fmtp, name),
        use,
        why,
      });
      if (payloadType === chosen) return row('taken', 'taken');
      if (/^rtx\//i.test(name)) {
        const repaired = Number(fmtp['apt']);
        if (answered.includes(payloadType)) return row('taken', `taken, repairs ${repaired}`);
        const why = repaired === chosen ? 'the server uses RTX for video alone' : 'repairs a codec that is not taken';
        return { ...row('unused', why), details: '' };
      }
      if (usable.has(payloadType)) {
        return row('possible', chosen === undefined ? 'could be taken' : `could be taken; ${chosen} goes before it`);
      }
      return row('unused', whyNot(section, kind, payloadType, context));
    }),
  );
}

function tellingOf(fmtp: Readonly<Record<string, string | number>>, name: string): string {
  const { 'profile-level-id': level, 'packetization-mode': mode, 'profile-id': id, profile } = fmtp;
  if (/^h264/i.test(name)) return `${level ?? 'no profile named'} mode ${mode ?? 0}`;
  const telling = id ?? profile;
  return telling === undefined ? '' : `profile ${telling}`;
}

function whyNot(section: SdpMedia, kind: MediaKind, payloadType: number, context: NegotiationContext): string {
  const rtpmap = section.rtpmaps.get(payloadType);
  if (!rtpmap) return 'the server has none of the codecs with fixed numbers (G.711, G.722)';
  const name = rtpmap.name.toLowerCase();
  const purpose = NOT_FORWARDED[name];
  if (purpose !== undefined) return purpose;
  const known = CODEC_TABLE.filter((codec) => codec.name.toLowerCase() === name && codec.kind === kind);
  const [first] = known;
  if (!first) return `the server has no ${rtpmap.name}`;
  if (!context.codecs.includes(first.name))
    return `the room does not allow ${first.name}: its codecs are ${context.codecs.join(', ')}`;
  if (rtpmap.clockRate !== first.clockRate || (first.channels !== undefined && rtpmap.channels !== first.channels)) {
    return `the server's ${first.name} is ${first.clockRate}${first.channels === undefined ? '' : `/${first.channels}`}`;
  }
  const others = known.map(({ parameters }) => tellingOf({ ...parameters }, first.name) || 'profile 0').join(', ');
  return `${difference(section, kind, payloadType, context)} than the server's (${others})`;
}

/** Which parameter stands in the way, found by trying it with the other packetization mode. */
function difference(section: SdpMedia, kind: MediaKind, payloadType: number, context: NegotiationContext): string {
  const fmtp = section.fmtps.get(payloadType) ?? '';
  const mode = Number(parseFmtp(fmtp)['packetization-mode'] ?? 0) === 0 ? 1 : 0;
  const turned: SdpMedia = {
    ...section,
    payloadTypes: [payloadType],
    fmtps: new Map([[payloadType, `${fmtp.replace(/packetization-mode=\d+/i, '')};packetization-mode=${mode}`]]),
  };
  const allowed = allowedRouterCodecs(context.routerRtpCapabilities, kind, context.codecs);
  return [...commonCodecs(turned, kind, allowed)].length > 0 ? 'another packetization mode' : 'another profile';
}

/** Each codec that a device says it can receive, with the number it gets on SUB. */
export function receiverVerdicts(section: SdpMedia, kind: MediaKind, context: NegotiationContext): Verdict[] {
  const router = context.routerRtpCapabilities;
  const common = [...commonCodecs(section, kind, allowedRouterCodecs(router, kind, context.codecs))];
  const taken = new Map<number | undefined, string>();
  const same = new Map<number, number>();
  for (const { payloadType, routerCodec, rtxPayloadType } of common) {
    const number = routerCodec.preferredPayloadType;
    const first = same.get(number);
    if (first === undefined) {
      same.set(number, payloadType);
      taken.set(payloadType, `can be received, as ${number}`);
      taken.set(rtxPayloadType, `repairs ${payloadType}`);
    }
  }
  return merged(
    section.payloadTypes.map((payloadType) => {
      const name = rtpmapText(section, payloadType) ?? 'without a=rtpmap';
      const fmtp = parseFmtp(section.fmtps.get(payloadType) ?? '');
      const row = { numbers: [payloadType], name, details: tellingOf(fmtp, name) };
      const why = taken.get(payloadType);
      if (why !== undefined) return { ...row, use: 'taken', why };
      const double = common.find((codec) => codec.payloadType === payloadType);
      if (double)
        return {
          ...row,
          use: 'unused',
          why: `means the same here as ${same.get(double.routerCodec.preferredPayloadType)}`,
        };
      if (/^rtx\//i.test(name)) return { ...row, use: 'unused', why: 'repairs a codec that is not taken' };
      return { ...row, use: 'unused', why: whyNot(section, kind, payloadType, context) };
    }),
  );
}

/** Each header extension of an offered section, as a publisher's. */
export function extensionVerdicts(
  section: SdpMedia,
  kind: MediaKind,
  context: NegotiationContext,
  mixedAllowed: boolean,
): Verdict[] {
  const router = context.routerRtpCapabilities;
  const accepted = new Set(
    acceptedExtensions(section, kind, router, mixedAllowed).map(({ parameters }) => parameters.id),
  );
  const known = new Set<string>(routerExtensions(router, kind, 'fromClient').map(({ uri }) => uri));
  const used = new Set<string>();
  return section.extmaps.map(({ id, uri, direction, encrypted }) => {
    const taken = accepted.has(id) && known.has(uri) && !used.has(uri);
    const why = () => {
      if (taken) return 'taken';
      if (encrypted) return 'encrypted (RFC 6904): the server does not use it';
      if (!known.has(uri)) return 'the server does not use it';
      if (direction === 'recvonly' || direction === 'inactive') return `the client does not send it (/${direction})`;
      if (used.has(uri)) return 'the same extension as one before';
      if (id === 15) return 'id 15 is reserved (RFC 8285 §4.2)';
      return `id ${id} needs two-byte headers, and a=extmap-allow-mixed is missing`;
    };
    const verdict: Verdict = {
      numbers: [id],
      name: extensionName(uri),
      details: '',
      use: taken ? 'taken' : 'unused',
      why: why(),
    };
    if (taken) used.add(uri);
    return verdict;
  });
}

/** Codecs of one name that share the verdict are one row. */
function merged(verdicts: readonly Verdict[]): Verdict[] {
  const rows = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    const key = JSON.stringify([verdict.name, verdict.use, verdict.why]);
    rows.set(key, [...(rows.get(key) ?? []), verdict]);
  }
  return [...rows.values()].flatMap((same) => {
    const [first] = same;
    if (!first) return [];
    const details = [...new Set(same.map((verdict) => verdict.details))].filter(Boolean).join(', ');
    return [{ ...first, numbers: same.flatMap(({ numbers }) => numbers), details }];
  });
}

/** Each codec of an answered section against the offer; without that only what it says. */
export function answerVerdicts(section: SdpMedia, offered: OfferedLine | undefined): Verdict[] {
  return merged(
    section.payloadTypes.map((payloadType) => {
      const name = rtpmapText(section, payloadType) ?? 'without a=rtpmap';
      const row = {
        numbers: [payloadType],
        name,
        details: tellingOf(parseFmtp(section.fmtps.get(payloadType) ?? ''), name),
      };
      if (section.port === 0) return { ...row, use: 'unused', why: 'port 0: not used' };
      if (!offered) return { ...row, use: 'taken', why: 'named in the answer' };
      const short = name.split('/', 1).join('').toLowerCase();
      if (offered.codecs[payloadType] === short) return { ...row, use: 'taken', why: 'as offered' };
      const number = Object.entries(offered.codecs).find(([, meant]) => meant === short)?.[0];
      return { ...row, use: 'unused', why: number === undefined ? 'was not offered' : `was offered as ${number}` };
    }),
  );
}
