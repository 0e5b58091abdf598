/**
 * What the library makes of every recorded SDP, in full, as files to read: `test/fixtures/sdp/golden`. A change of
 * behaviour shows as their diff; `npx vitest run --root . libs/sdp/src/golden.test.ts -u` writes them anew.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { EXAMPLE_SDP_SESSION_ID, exampleTransport } from '../tools/example-transport.ts';
import { guessTracks } from '../tools/guess.ts';
import { outstandingOffer, RECONSTRUCTED_NEGOTIATION } from '../tools/outstanding-offer.ts';
import { actionLines, capabilityLines, table } from '../tools/short-form.ts';
import {
  applyAnswer,
  completePublish,
  createPubState,
  deviceCapabilities,
  planPublish,
  SdpError,
  type PubSectionResult,
  type PubState,
  type SubSectionResult,
} from './index.ts';
import { parseSdp } from './parse-sdp.ts';
import { context, recorded, recordedSdps, type RecordedSdp } from './sdp.test-support.ts';
import type { SubConnection } from './sub-state.ts';

const GOLDEN = new URL('../../../test/fixtures/sdp/golden/', import.meta.url);
const nameOf = ({ file }: RecordedSdp) => file.replace(/\.sdp$/, '.txt');

const all = recordedSdps();
const identities = new Map(all.map((sdp) => [sdp, identityOf(sdp)]));

test.each(all)('$file', async (sdp) => {
  await expect(golden(sdp)).toMatchFileSnapshot(fileURLToPath(new URL(nameOf(sdp), GOLDEN)));
});

test('no golden is left of a recording that is gone', () => {
  const names = new Set(all.map(nameOf));
  expect(readdirSync(GOLDEN).filter((name) => !names.has(name))).toEqual([]);
});

function golden(sdp: RecordedSdp): string {
  const earlier = earlierOf(sdp);
  const parts = [[`# ${sdp.file}`, `${sdp.role}: ${sdp.how}`]];
  if (sdp.scenario.startsWith('05-probe')) parts.push(['## As capabilitiesSdp', ...probe(sdp)]);
  if (sdp.role === 'offer') {
    parts.push(['## As the first publish offer', ...publishes([sdp])]);
    if (earlier.length > 0) {
      parts.push([`## After ${earlier.map(({ scenario }) => scenario).join(', ')}`, ...publishes([...earlier, sdp])]);
    }
  } else {
    parts.push([`## As the first answer, to ${sdp.offer}`, ...answers([sdp])]);
    if (earlier.length > 0) {
      parts.push([`## After ${earlier.map(({ scenario }) => scenario).join(', ')}`, ...answers([...earlier, sdp])]);
    }
  }
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** Recordings of the same PeerConnection that came before this one, oldest first, one of each version. */
function earlierOf(sdp: RecordedSdp): RecordedSdp[] {
  const own = identityOf(sdp);
  const byVersion = new Map<number, RecordedSdp>();
  for (const [other, { connection, version }] of identities) {
    if (connection === own.connection && version < own.version && !byVersion.has(version)) {
      byVersion.set(version, other);
    }
  }
  return [...byVersion].sort(([a], [b]) => a - b).map(([, other]) => other);
}

/** GStreamer has one certificate for all PeerConnections, and its answers copy our `o=` line: the ufrag tells them apart. */
function identityOf({ file, role }: RecordedSdp): { connection: string; version: number } {
  const text = recorded(file);
  const { origin, transport, media } = parseSdp(text);
  const fingerprints = [...transport.fingerprints, ...media.flatMap((section) => section.transport.fingerprints)];
  const ufrag = media.find((section) => section.transport.iceUfrag !== undefined)?.transport.iceUfrag;
  const parts = [role, origin.sessionId, fingerprints[0]?.value, ...(role === 'answer' ? [ufrag] : [])];
  return { connection: parts.join(' '), version: Number(origin.version) };
}

function refusal(error: unknown): string[] {
  if (!(error instanceof SdpError)) throw error;
  return [`REFUSED ${error.code}${error.mid === undefined ? '' : ` (mid ${error.mid})`}: ${error.message}`];
}

/** What comes of the last of the offers. */
function publishes(offers: readonly RecordedSdp[]): string[] {
  let state: PubState = createPubState(1);
  let lines: string[] = [];
  for (const { file } of offers) {
    const sdp = recorded(file);
    try {
      const tracks = guessTracks(parseSdp(sdp), state);
      const plan = planPublish(state, { ...context, sdp, tracks });
      if (plan.type === 'replay') throw new Error('two recordings are the same offer');
      const producerIds = new Map(parseSdp(sdp).media.map(({ mid = '' }) => [mid, `producer-${mid}`]));
      const answer = completePublish(plan, {
        transport: exampleTransport,
        producerIds,
        sdpSessionId: EXAMPLE_SDP_SESSION_ID,
      });
      state = answer.state;
      lines = [
        `tracks: ${tracks.map(({ mid, source }) => `${mid}=${source}`).join(' ') || '-'}`,
        '',
        ...sectionTable(answer.sections),
        '',
        ...plan.actions.flatMap(actionLines),
        ...plan.warnings.map(({ code, mid }) => `warning ${code} mid ${mid}`),
        '',
        ...answer.sdp.trimEnd().split('\r\n'),
      ];
    } catch (error) {
      lines = refusal(error);
    }
  }
  return lines;
}

function answers(given: readonly RecordedSdp[]): string[] {
  let connection: SubConnection | null = null;
  let lines: string[] = [];
  for (const { file, offer } of given) {
    if (offer === undefined) throw new Error(`${file} does not say what it answers`);
    try {
      const applied = applyAnswer(outstandingOffer(recorded(offer), connection), {
        ...context,
        negotiationId: RECONSTRUCTED_NEGOTIATION,
        sdp: recorded(file),
      });
      connection = applied.state.connection;
      lines = [
        ...sectionTable(applied.sections),
        '',
        ...table([
          ['line', 'mid', 'phase'],
          ...applied.state.lines.map(({ mid, phase }, index) => [`${index}`, mid, phase]),
        ]),
        '',
        ...applied.actions.flatMap(actionLines),
        ...(applied.capabilities
          ? ['', 'capabilities, from the sections that carry no track:', ...capabilityLines(applied.capabilities)]
          : []),
      ];
    } catch (error) {
      lines = refusal(error);
    }
  }
  return lines;
}

function probe({ file }: RecordedSdp): string[] {
  return capabilityLines(deviceCapabilities(recorded(file), context));
}

function sectionTable(sections: readonly (PubSectionResult | SubSectionResult)[]): string[] {
  return table([
    ['mid', 'status', 'code', 'what'],
    ...sections.map((section) => [
      section.mid,
      section.status,
      section.code ?? '-',
      'kind' in section ? `${section.kind} ${section.source ?? '-'}` : (section.consumerId ?? '-'),
    ]),
  ]);
}
