import { expect } from 'vitest';
import type { SubscribeOffer } from '@mediaserver/contracts';
import { limits } from './limits.ts';
import { parseSdp } from './parse-sdp.ts';
import { hash, sectionText } from './sdp.test-support.ts';

/** What a client may do with a section, by mid. `revive`: gives a port to a section it was told is closed. */
export type Reaction = 'accept' | 'reject' | 'inactive' | 'revive';

interface ClientLine {
  readonly mid: string;
  readonly kind: string;
  readonly stopped: boolean;
}

/**
 * A strict client of subscribe offers: refuses (fails the test) whatever libwebrtc, Firefox or Safari refuse, and
 * answers as they do. One that `grows` refuses what webrtcbin cannot follow, and writes no session attributes.
 */
export class SimulatedSubscriber {
  readonly #grows: boolean;
  lines: ClientLine[] = [];
  readonly #payloadTypes = new Map<number, string>();
  readonly #extensions = new Map<number, string>();
  readonly #mids = new Set<string>();
  readonly #msids = new Map<string, string>();
  #revision = 0;

  /** Mids it now receives. */
  receiving: string[] = [];
  /** Whether the data channels' section is there and taken. */
  hasData = false;
  /** The section whose transport all use; one that goes takes it along. */
  #taggedMid: string | undefined;

  constructor({ grows = false } = {}) {
    this.#grows = grows;
  }

  answer(offer: SubscribeOffer, reactions: Readonly<Record<string, Reaction>> = {}): string {
    expect(offer.revision).toBeGreaterThan(this.#revision);
    this.#revision = offer.revision;
    const { media, bundles } = parseSdp(offer.sdp, limits.subscribeSections);
    expect(media.length).toBeGreaterThanOrEqual(this.lines.length);
    expect(bundles).toEqual(
      [media.filter(({ port }) => port !== 0).map(({ mid }) => mid)].filter((mids) => mids.length > 0),
    );
    const lines: ClientLine[] = [];
    const parts: string[] = [];
    const bundle: string[] = [];
    this.receiving = [];
    for (const section of media) {
      const { index, mid = '', kind, port, direction, extmaps, payloadTypes } = section;
      const before = this.lines[index];
      if (before) {
        expect(kind).toBe(before.kind);
        if (before.mid !== mid) expect([before.stopped, this.#grows]).toEqual([true, false]);
        else if (before.stopped) expect(port).toBe(0);
      }
      if (before?.mid !== mid) expect(this.#mids.has(mid)).toBe(false);
      this.#mids.add(mid);
      expect(mid.length).toBeLessThanOrEqual(8);
      const text = sectionText(offer.sdp, index);
      const own = kind === 'application' ? ['a=sctp-port:5000\r\n'] : ['a=rtcp-mux\r\n', 'a=rtpmap:'];
      for (const line of ['a=setup:actpass', 'a=ice-ufrag:', 'a=ice-pwd:', ...own]) expect(text).toContain(line);
      if (mid === this.#taggedMid) expect(port).toBe(9);
      this.#checkNumbers(text, payloadTypes, extmaps);
      this.#checkMsid(mid, text);

      const reaction = reactions[mid] ?? 'accept';
      const taken = port === 0 ? reaction === 'revive' : reaction !== 'reject';
      const receives = taken && port !== 0 && direction === 'sendonly' && reaction !== 'inactive';
      if (kind === 'application') this.hasData = taken;
      if (receives) this.receiving.push(mid);
      if (taken) bundle.push(mid);
      lines.push({ mid, kind, stopped: port === 0 || reaction === 'reject' });
      parts.push(this.#section(text, taken, receives));
    }
    this.lines = lines;
    this.#taggedMid ??= bundle[0];
    const head = [
      'v=0',
      `o=- 77 ${offer.revision} IN IP4 127.0.0.1`,
      's=-',
      't=0 0',
      ...(bundle.length > 0 ? [`a=group:BUNDLE ${bundle.join(' ')}`] : []),
      ...(this.#grows ? [] : ['a=msid-semantic: WMS']),
    ];
    return `${head.join('\r\n')}\r\na=fingerprint:sha-256 ${hash('5C', 32)}\r\n${parts.join('')}`;
  }

  /** One meaning per number for the life of the connection. */
  #checkNumbers(text: string, payloadTypes: readonly number[], extmaps: readonly { id: number; uri: string }[]): void {
    for (const payloadType of payloadTypes) {
      const meaning = text
        .split('\r\n')
        .filter((line) => new RegExp(`^a=(?:rtpmap|fmtp):${payloadType} `).test(line))
        .join();
      expect(this.#payloadTypes.get(payloadType) ?? meaning).toBe(meaning);
      this.#payloadTypes.set(payloadType, meaning);
    }
    for (const { id, uri } of extmaps) {
      expect(this.#extensions.get(id) ?? uri).toBe(uri);
      this.#extensions.set(id, uri);
    }
  }

  #checkMsid(mid: string, text: string): void {
    const msid = /^a=msid:(.*)$/m.exec(text)?.[1];
    if (msid === undefined) return;
    expect(this.#msids.get(msid) ?? mid).toBe(mid);
    this.#msids.set(msid, mid);
  }

  #section(text: string, taken: boolean, receives: boolean): string {
    return text
      .replace(/^(m=\w+) \d+/, taken ? '$1 9' : '$1 0')
      .replace('a=setup:actpass', 'a=setup:active')
      .replace(/a=ice-ufrag:.*/, 'a=ice-ufrag:subU')
      .replace(/a=ice-pwd:.*/, 'a=ice-pwd:subscriberPassword0123456')
      .replace(/a=(?:sendonly|inactive)\r/, receives ? 'a=recvonly\r' : 'a=inactive\r')
      .replaceAll(/^a=(?:candidate|end-of-candidates|ssrc|msid).*\r\n/gm, '');
  }
}
