/** What must hold of everything the library gives back, whatever it was given. */
import { globSync, readFileSync } from 'node:fs';
import { parse as parseByOthers } from 'sdp-transform';
import { z } from 'zod';
import { limits } from '../src/limits.ts';
import { parseSdp } from '../src/parse-sdp.ts';
import type { SdpDocument } from '../src/sdp-document.ts';
import { SdpError } from '../src/index.ts';

/** A property that does not hold: a bug. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

const COMMON =
  'v=0|s=-|t=0 0|c=IN IP4 0\\.0\\.0\\.0|a=ice-lite|a=group:BUNDLE(?: [!-~]{1,16})+|a=msid-semantic: WMS \\*' +
  '|a=fingerprint:sha-256 (?:AB:){31}AB|a=mid:[!-~]{1,16}|a=ice-ufrag:serverUfrag' +
  '|a=ice-pwd:serverPassword0123456789abcdef|a=ice-options:renomination|a=setup:(?:active|passive|actpass)' +
  '|a=candidate:(?:udp|tcp)candidate 1 [ -~]+|a=end-of-candidates|a=inactive|a=rtcp-mux|a=rtcp-rsize' +
  '|a=extmap-allow-mixed|a=rtpmap:\\d+ [\\w.+-]+/\\d+(?:/\\d+)?|a=fmtp:\\d+ [!-~]+|a=rtcp-fb:\\d+ [a-z-]+(?: [a-z]+)?' +
  '|a=sctp-port:\\d+|a=max-message-size:\\d+|a=sctpmap:5000 webrtc-datachannel 1024';

/** Every line we may write; anything else was injected. */
const WRITTEN = {
  answer: new RegExp(
    `^(?:${COMMON}|o=- 8123456789 \\d+ IN IP4 0\\.0\\.0\\.0|m=[a-z]+ [09] [!-~]+(?: [!-~]+)+|a=recvonly` +
      '|b=TIAS:\\d+|a=extmap:\\d+(?:/recvonly)? [!-~]+|a=rid:[\\w-]{1,16} recv|a=simulcast:recv ~?[\\w-]+(?:;~?[\\w-]+)*)$',
  ),
  offer: new RegExp(
    `^(?:${COMMON}|o=- 1 \\d+ IN IP4 0\\.0\\.0\\.0|m=(?:audio|video) [09] UDP/TLS/RTP/SAVPF(?: \\d+)+` +
      '|m=application [09] UDP/DTLS/SCTP webrtc-datachannel|a=sendonly|a=sendrecv|a=extmap:\\d+ [!-~]+|a=msid:u c\\d+' +
      '|a=ssrc-group:FID \\d+ \\d+|a=ssrc:\\d+ (?:cname:[!-~]{1,255}|msid:u c\\d+))$',
  ),
};

const secondReading = z.object({ media: z.array(z.object({ type: z.string(), port: z.number() })) });

/** A description of ours: of known lines, and read alike by two parsers. */
export function checkWritten(sdp: string, type: keyof typeof WRITTEN): void {
  const lines = sdp.split('\r\n');
  if (lines.pop() !== '') throw new Finding(`An ${type} does not end with CRLF`);
  for (const line of lines) {
    if (!WRITTEN[type].test(line)) throw new Finding(`An ${type} has a line of no known form: ${JSON.stringify(line)}`);
  }
  const ours = parseSdp(sdp).media.map(({ kind, port }) => `${kind} ${port}`);
  const theirs = secondReading.parse(parseByOthers(sdp)).media.map(({ type, port }) => `${type} ${port}`);
  if (ours.join() !== theirs.join()) throw new Finding(`Two parsers read an ${type} differently`);
}

/** RFC 3264 §6: one answer for each section, in order. */
export function checkAnswersAll(offered: SdpDocument, answered: string): void {
  const sections = ({ media }: SdpDocument) => media.map(({ kind, mid }) => `${kind} ${mid}`).join();
  if (sections(offered) !== sections(parseSdp(answered)))
    throw new Finding('The answer has other sections than the offer');
}

/** Words of the library's own sources: an error's message consists of these and of small numbers. */
const OWN_WORDS = new Set(
  globSync('../src/*.ts', { cwd: import.meta.dirname }).flatMap(
    (path) => readFileSync(new URL(path, import.meta.url), 'utf8').match(/[\w-]+/g) ?? [],
  ),
);

/** @returns the error's code. Anything but an `SdpError` that tells nothing of the client's text is a finding. */
export function checkError(error: unknown): string {
  if (error instanceof Finding) throw error;
  if (!(error instanceof SdpError)) {
    throw new Finding(`Not an SdpError: ${error instanceof Error ? error.stack : String(error)}`);
  }
  for (const word of error.message.match(/[^\s:;,.'`=<>()[\]]+/g) ?? []) {
    const known = /^\d{1,6}$/.test(word) || (word.match(/[\w-]+/g) ?? []).every((part) => OWN_WORDS.has(part));
    if (!known) throw new Finding(`A message has a word that is not ours: ${error.message}`);
  }
  if ((error.mid?.length ?? 0) > limits.midLength) throw new Finding(`The mid of an error is too long: ${error.code}`);
  return error.code;
}

const PROTOTYPES = [Object, Array, Function, String, Number, Boolean, RegExp, Map, Set, Error, Promise, BigInt].flatMap(
  (type): object[] => [type, type.prototype],
);
const fingerprint = () => PROTOTYPES.map((each) => Object.entries(Object.getOwnPropertyDescriptors(each)));
const UNTOUCHED = fingerprint();
const KEYS = PROTOTYPES.map((each) => Reflect.ownKeys(each).length);

/** Cheap: after each input. */
export function checkPrototypes(): void {
  for (const [index, prototype] of PROTOTYPES.entries()) {
    if (Reflect.ownKeys(prototype).length !== KEYS[index]) throw new Finding('A built-in object has another property');
  }
}

/** Values too: now and then. */
export function checkPrototypeValues(): void {
  const now = fingerprint();
  for (const [index, before] of UNTOUCHED.entries()) {
    for (const [place, [key, descriptor]] of before.entries()) {
      const [name, other] = now[index]?.[place] ?? [];
      if (name !== key || !Object.is(other?.value, descriptor.value) || other?.get !== descriptor.get) {
        throw new Finding(`The built-in property ${key} was changed`);
      }
    }
  }
}
