import { limits } from './limits.ts';
import type {
  SdpDirection,
  SdpDocument,
  SdpExtmap,
  SdpFeedback,
  SdpFingerprint,
  SdpMedia,
  SdpRtpmap,
  SdpSimulcastStream,
  SdpSsrc,
  SdpSsrcGroup,
} from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';

/**
 * Reads an SDP (RFC 8866) as WebRTC clients write it. Work and memory are linear in the input, which is bounded.
 * Attributes we have no use for are skipped, as RFC 8866 §6 asks.
 *
 * @param maxSections more than the usual limit only where we offered more.
 * @throws SdpError `sdp_too_large`, `malformed_sdp`, `bad_mid`, and nothing else.
 */
export function parseSdp(text: string, maxSections: number = limits.sections): SdpDocument {
  const lines = splitLines(text);
  const firstMedia = lines.findIndex((line) => line.startsWith('m='));
  const sessionLines = firstMedia === -1 ? lines : lines.slice(0, firstMedia);
  const session = new AttributeReader(undefined);
  for (const line of sessionLines) session.read(line);

  const media: SdpMedia[] = [];
  let reader: AttributeReader | undefined;
  for (const line of firstMedia === -1 ? [] : lines.slice(firstMedia)) {
    if (line.startsWith('m=')) {
      if (reader) media.push(reader.media(media.length, session.direction));
      if (media.length >= maxSections) throw new SdpError('sdp_too_large', `More than ${maxSections} sections`);
      reader = new AttributeReader(line.slice(2));
    } else {
      reader?.read(line);
    }
  }
  if (reader) media.push(reader.media(media.length, session.direction));

  return {
    origin: parseOrigin(sessionLines),
    bundles: session.bundles,
    extmapAllowMixed: session.extmapAllowMixed,
    hasMsidSemantic: session.hasMsidSemantic,
    iceOptions: session.iceOptions,
    transport: session.transport(),
    media,
  };
}

function splitLines(text: string): string[] {
  // A UTF-16 length is never more than the UTF-8 one, so the cheap test comes first.
  if (text.length > limits.bytes || Buffer.byteLength(text) > limits.bytes) {
    throw new SdpError('sdp_too_large', `The SDP is over ${limits.bytes} bytes`);
  }
  if (text.includes('\0')) throw new SdpError('malformed_sdp', 'The SDP has a NUL character');
  const lines: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') continue;
    if (line.length > limits.lineLength) {
      throw new SdpError('sdp_too_large', `A line is over ${limits.lineLength} characters`);
    }
    if (line.includes('\r')) throw new SdpError('malformed_sdp', 'A CR stands without LF');
    if (!/^[a-z]=/.test(line)) throw new SdpError('malformed_sdp', 'A line is not <letter>=<value>');
    lines.push(line);
  }
  if (lines[0] !== 'v=0') throw new SdpError('malformed_sdp', 'The SDP does not start with v=0');
  return lines;
}

function parseOrigin(sessionLines: readonly string[]): SdpDocument['origin'] {
  const fields =
    sessionLines
      .find((line) => line.startsWith('o='))
      ?.slice(2)
      .split(' ') ?? [];
  const [, sessionId, version] = fields;
  // RFC 8866 §5.2: numeric strings. Twenty digits hold any 64-bit number.
  if (fields.length < 6 || !isDigits(sessionId, 20) || !isDigits(version, 20)) {
    throw new SdpError('malformed_sdp', 'The o= line is missing or not usable');
  }
  return { sessionId: detached(sessionId), version: detached(version) };
}

/** A copy. A part of a text keeps all of it in memory, and these parts stay as long as the user does. */
function detached(part: string): string {
  return Buffer.from(part).toString();
}

function isDigits(text: string | undefined, length: number): text is string {
  return text !== undefined && text.length <= length && /^\d+$/.test(text);
}

function isDirection(text: string): text is SdpDirection {
  return text === 'sendrecv' || text === 'sendonly' || text === 'recvonly' || text === 'inactive';
}

const RTP_PROTOCOL = /^(?:UDP\/TLS\/|TCP\/TLS\/|TCP\/DTLS\/)?RTP\/S?AVPF?$/;
const TOKEN = /^[\x21-\x7e]+$/;

/** Collects the attributes of one level: the session, or one media section. */
class AttributeReader {
  direction: SdpDirection | undefined;
  extmapAllowMixed = false;
  hasMsidSemantic = false;
  readonly iceOptions: string[] = [];
  readonly bundles: string[][] = [];
  readonly #mLine: string | undefined;
  readonly #single = new Map<string, string>();
  readonly #fingerprints: SdpFingerprint[] = [];
  readonly #rtpmaps = new Map<number, SdpRtpmap>();
  readonly #fmtps = new Map<number, string>();
  readonly #feedback: SdpFeedback[] = [];
  readonly #extmaps: SdpExtmap[] = [];
  readonly #ssrcs = new Map<number, SdpSsrc>();
  readonly #ssrcGroups: SdpSsrcGroup[] = [];
  readonly #sendRids: string[] = [];
  #simulcastSend: SdpSimulcastStream[] = [];
  #flags = new Set<string>();
  #sctpPort: number | undefined;

  constructor(mLine: string | undefined) {
    this.#mLine = mLine;
  }

  read(line: string): void {
    if (!line.startsWith('a=')) return;
    const colon = line.indexOf(':');
    const name = colon === -1 ? line.slice(2) : line.slice(2, colon);
    this.#attribute(name, colon === -1 ? '' : line.slice(colon + 1));
  }

  #attribute(name: string, value: string): void {
    if (isDirection(name)) {
      this.direction = name;
      return;
    }
    switch (name) {
      case 'mid':
      case 'ice-ufrag':
      case 'ice-pwd':
      case 'setup':
        this.#once(name, detached(value.trim()));
        break;
      case 'fingerprint':
        this.#fingerprint(value);
        break;
      case 'group':
        this.#group(value);
        break;
      case 'ice-options':
        this.iceOptions.push(...value.split(' ').filter(Boolean));
        break;
      case 'extmap-allow-mixed':
        this.extmapAllowMixed = true;
        break;
      case 'msid-semantic':
        this.hasMsidSemantic = true;
        break;
      case 'rtcp-mux':
      case 'rtcp-rsize':
      case 'bundle-only':
      case 'crypto':
        this.#flags.add(name);
        break;
      case 'rtpmap':
        this.#rtpmap(value);
        break;
      case 'fmtp':
        this.#fmtp(value);
        break;
      case 'rtcp-fb':
        this.#rtcpFeedback(value);
        break;
      case 'extmap':
        this.#extmap(value);
        break;
      case 'ssrc':
        this.#ssrc(value);
        break;
      case 'ssrc-group':
        this.#ssrcGroup(value);
        break;
      case 'rid':
        this.#rid(value);
        break;
      case 'simulcast':
        this.#simulcast(value);
        break;
      case 'sctp-port':
        this.#sctpPort = integer(value, 65_535, 'sctp-port');
        break;
      default:
    }
  }

  transport(): SdpDocument['transport'] {
    return {
      iceUfrag: this.#single.get('ice-ufrag'),
      icePwd: this.#single.get('ice-pwd'),
      setup: this.#single.get('setup'),
      fingerprints: this.#fingerprints,
    };
  }

  media(index: number, sessionDirection: SdpDirection | undefined): SdpMedia {
    const [kind = '', port = '', protocol = '', ...formats] = (this.#mLine ?? '').split(' ').filter(Boolean);
    if (!/^[a-z]{1,32}$/.test(kind) || !TOKEN.test(protocol) || protocol.length > 64 || formats.length === 0) {
      throw new SdpError('malformed_sdp', 'An m= line is not usable');
    }
    if (formats.length > limits.payloadTypes) throw tooMany('payload types');
    if (!formats.every((format) => TOKEN.test(format))) throw new SdpError('malformed_sdp', 'A format is not a token');
    const isRtp = RTP_PROTOCOL.test(protocol);
    const payloadTypes = isRtp ? formats.map((format) => payloadType(format)) : [];
    if (new Set(payloadTypes).size !== payloadTypes.length) {
      throw new SdpError('malformed_sdp', 'An m= line has a payload type twice');
    }
    return {
      index,
      kind: detached(kind),
      // `<port>/<number of ports>` is not used by WebRTC.
      port: integer(port, 65_535, 'port'),
      protocol,
      formats,
      payloadTypes,
      mid: this.#single.get('mid'),
      direction: this.direction ?? sessionDirection ?? 'sendrecv',
      transport: this.transport(),
      rtcpMux: this.#flags.has('rtcp-mux'),
      rtcpReducedSize: this.#flags.has('rtcp-rsize'),
      bundleOnly: this.#flags.has('bundle-only'),
      hasCrypto: this.#flags.has('crypto'),
      extmapAllowMixed: this.extmapAllowMixed,
      iceOptions: this.iceOptions,
      rtpmaps: this.#rtpmaps,
      fmtps: this.#fmtps,
      feedback: this.#feedback,
      extmaps: this.#extmaps,
      ssrcs: this.#ssrcs,
      ssrcGroups: this.#ssrcGroups,
      sendRids: this.#sendRids,
      simulcastSend: this.#simulcastSend,
      sctpPort: this.#sctpPort,
    };
  }

  /** An attribute that may stand once per level; a second, different value has no meaning. */
  #once(name: string, value: string): void {
    const before = this.#single.get(name);
    if (before !== undefined && before !== value) {
      throw new SdpError(name === 'mid' ? 'bad_mid' : 'malformed_sdp', `Two different a=${name} at one level`);
    }
    this.#single.set(name, value);
  }

  #fingerprint(value: string): void {
    const [algorithm = '', hash = ''] = value.trim().split(/ +/);
    if (this.#fingerprints.length >= limits.fingerprints) throw tooMany('fingerprints');
    this.#fingerprints.push({ algorithm: algorithm.toLowerCase(), value: detached(hash.toUpperCase()) });
  }

  #group(value: string): void {
    const [semantics, ...mids] = value.split(' ').filter(Boolean);
    if (semantics === 'BUNDLE') this.bundles.push(mids);
  }

  // a=rtpmap:<payload type> <name>/<clock rate>[/<channels>] (RFC 8866 §6.6)
  #rtpmap(value: string): void {
    const match = /^(\d+) +([A-Za-z0-9_.+-]{1,64})\/(\d{1,9})(?:\/(\d{1,3}))?\s*$/.exec(value);
    const [, format = '', name = '', clockRate = '', channels] = match ?? [];
    if (!match) throw new SdpError('malformed_sdp', 'An a=rtpmap line is not usable');
    const type = payloadType(format);
    if (this.#rtpmaps.size >= limits.payloadTypes) throw tooMany('a=rtpmap lines');
    const rtpmap = {
      name,
      clockRate: Number(clockRate),
      channels: channels === undefined ? undefined : Number(channels),
    };
    const before = this.#rtpmaps.get(type);
    if (before && JSON.stringify(before) !== JSON.stringify(rtpmap)) {
      throw new SdpError('pt_collision', `Payload type ${type} has two a=rtpmap lines`);
    }
    this.#rtpmaps.set(type, rtpmap);
  }

  #fmtp(value: string): void {
    const space = value.indexOf(' ');
    if (space === -1) return;
    const format = value.slice(0, space);
    // Sections that are not RTP may have formats that are no numbers.
    if (!/^\d{1,3}$/.test(format)) return;
    const type = payloadType(format);
    if (!this.#fmtps.has(type)) this.#fmtps.set(type, value.slice(space + 1));
  }

  #rtcpFeedback(value: string): void {
    const [format = '', type = '', ...rest] = value.split(' ').filter(Boolean);
    if (this.#feedback.length >= limits.feedback) throw tooMany('a=rtcp-fb lines');
    this.#feedback.push({ payloadType: format === '*' ? '*' : payloadType(format), type, parameter: rest.join(' ') });
  }

  // a=extmap:<id>[/<direction>] <uri> [<attributes>] (RFC 8285 §8)
  #extmap(value: string): void {
    const [head = '', first = '', second = ''] = value.split(' ').filter(Boolean);
    const [id = '', direction = 'sendrecv', ...more] = head.split('/');
    if (!isDirection(direction) || more.length > 0 || first === '') {
      throw new SdpError('malformed_sdp', 'An a=extmap line is not usable');
    }
    if (this.#extmaps.length >= limits.headerExtensions) throw tooMany('a=extmap lines');
    // RFC 6904 §5: the encrypted form names the real extension as its parameter.
    const encrypted = first === 'urn:ietf:params:rtp-hdrext:encrypt';
    // 4096 and above are the ids an offer may use to have more than fit (RFC 8285 §5); they are dropped later.
    this.#extmaps.push({ id: integer(id, 65_535, 'extmap'), direction, uri: encrypted ? second : first, encrypted });
  }

  // a=ssrc:<ssrc> <attribute>[:<value>] (RFC 5576 §4.1)
  #ssrc(value: string): void {
    const [id = '', ...rest] = value.split(' ');
    const ssrc = ssrcNumber(id);
    if (this.#ssrcs.size >= limits.ssrcs && !this.#ssrcs.has(ssrc)) throw tooMany('SSRCs');
    const entry = this.#ssrcs.get(ssrc) ?? { cname: undefined, msid: undefined };
    const attribute = rest.join(' ');
    if (attribute.startsWith('cname:')) entry.cname = detached(attribute.slice('cname:'.length));
    if (attribute.startsWith('msid:')) entry.msid = attribute.slice('msid:'.length);
    this.#ssrcs.set(ssrc, entry);
  }

  #ssrcGroup(value: string): void {
    const [semantics = '', ...ssrcs] = value.split(' ').filter(Boolean);
    if (this.#ssrcGroups.length >= limits.ssrcs || ssrcs.length > limits.ssrcs) throw tooMany('SSRC groups');
    this.#ssrcGroups.push({ semantics, ssrcs: ssrcs.map((ssrc) => ssrcNumber(ssrc)) });
  }

  #rid(value: string): void {
    const [rid = '', direction = ''] = value.split(' ').filter(Boolean);
    if (!isRid(rid)) throw new SdpError('malformed_sdp', 'A rid is not usable');
    if (this.#sendRids.length >= limits.rids) throw tooMany('rids');
    if (direction === 'send' && !this.#sendRids.includes(rid)) this.#sendRids.push(rid);
  }

  // a=simulcast:send <a>[,<alternative>];~<b> [recv ...] (RFC 8853 §5.1; `~` is an initially paused stream)
  #simulcast(value: string): void {
    const words = value.split(' ').filter(Boolean);
    const send = words[words.indexOf('send') + 1];
    if (!words.includes('send') || send === undefined) return;
    // The form of draft 03, `send rid=a;b`, is still met.
    const streams = send.replace(/^rid=/, '').split(';', limits.rids + 1);
    if (streams.length > limits.rids) throw tooMany('simulcast streams');
    this.#simulcastSend = streams.map((alternatives) => {
      const [first = ''] = alternatives.split(',');
      const paused = first.startsWith('~');
      const rid = paused ? first.slice(1) : first;
      if (!isRid(rid)) throw new SdpError('malformed_sdp', 'An a=simulcast line is not usable');
      return { rid, paused };
    });
    if (new Set(this.#simulcastSend.map(({ rid }) => rid)).size !== streams.length) {
      throw new SdpError('malformed_sdp', 'An a=simulcast line names a rid twice');
    }
  }
}

/** RFC 8852 §3: letters and digits; RFC 8851 also allows `-` and `_`. */
function isRid(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,16}$/.test(text);
}

function integer(text: string, max: number, what: string): number {
  const trimmed = text.trim();
  const value = /^\d{1,10}$/.test(trimmed) ? Number(trimmed) : Number.NaN;
  if (!(value <= max)) throw new SdpError('malformed_sdp', `The ${what} is not a number up to ${max}`);
  return value;
}

/** RFC 3551 §6 and RFC 5761 §4: 7 bits, and 64 to 95 would be taken for RTCP. */
function payloadType(text: string): number {
  const value = integer(text, 127, 'payload type');
  if (value >= 64 && value <= 95) throw new SdpError('malformed_sdp', 'Payload types 64 to 95 collide with RTCP');
  return value;
}

function ssrcNumber(text: string): number {
  const value = integer(text, 0xffff_ffff, 'SSRC');
  if (value === 0) throw new SdpError('malformed_sdp', 'An SSRC is 0');
  return value;
}

function tooMany(what: string): SdpError {
  return new SdpError('sdp_too_large', `Too many ${what} in one section`);
}
