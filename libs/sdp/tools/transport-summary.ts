import { SdpError } from '../src/index.ts';
import { isRtpKind, taggedSection } from '../src/remote-transport.ts';
import type { SdpDocument } from '../src/sdp-document.ts';
import { attempt } from './explanation.ts';
import { isLive } from './guess.ts';
import { linesOf } from './locate.ts';

export interface TransportSummary {
  readonly ice: string;
  readonly dtls: string;
  readonly bundle: string;
}

const SETUP: Readonly<Record<string, string>> = {
  actpass: 'actpass: the server leaves the DTLS handshake to the client',
  active: 'active: the client begins the DTLS handshake',
  passive: 'passive: the server begins the DTLS handshake',
};

export function transportOf(sdp: string, document: SdpDocument): TransportSummary {
  const live = document.media.filter(isLive);
  const [first] = live;
  const tagged = first && attempt(() => taggedSection(document, live));
  const section = tagged instanceof SdpError ? first : tagged;
  const own = section?.transport;
  const setup = own?.setup ?? document.transport.setup;
  const prints = own && own.fingerprints.length > 0 ? own.fingerprints : document.transport.fingerprints;
  const options = new Set([...document.iceOptions, ...(section?.iceOptions ?? [])]);
  const candidates = linesOf(sdp).filter(({ text }) => text.startsWith('a=candidate:')).length;
  const noMux = live.filter(({ rtcpMux, kind }) => isRtpKind(kind) && !rtcpMux).map(({ mid = '-' }) => mid);
  return {
    ice: [
      `ufrag ${own?.iceUfrag ?? document.transport.iceUfrag ?? 'missing'}`,
      candidates === 0
        ? 'no candidates (none are needed: the server learns addresses from checks)'
        : `${candidates} candidates`,
      ...options,
    ].join(', '),
    dtls: [
      setup === undefined ? 'a=setup missing' : (SETUP[setup] ?? `${setup}: not usable`),
      `fingerprint ${[...new Set(prints.map(({ algorithm }) => algorithm))].join(', ') || (section?.hasCrypto ? 'missing, SDES keys instead' : 'missing')}`,
    ].join('; '),
    bundle: [
      tagged instanceof SdpError
        ? `not all sections: ${document.bundles.map((mids) => mids.join(' ')).join(' | ') || 'no a=group:BUNDLE'}`
        : `${live.map(({ mid = '-' }) => mid).join(' ') || 'no live section'}${section && live.length > 1 ? `, over the transport of ${section.mid ?? '-'}` : ''}`,
      noMux.length > 0 ? `a=rtcp-mux missing in ${noMux.join(', ')}` : 'rtcp-mux',
    ].join('; '),
  };
}
