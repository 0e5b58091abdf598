/** GStreamer's `webrtcbin`: Python does what needs GStreamer, this does the calls, as an application of yours would. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  isAudio,
  NotSupported,
  sectionsOf,
  ufragOf,
  type Abilities,
  type Codec,
  type Connections,
  type Flow,
  type InteropClient,
  type Message,
  type Sending,
} from './client.ts';
import type { OpenClient } from './matrix.ts';
import { makeSignaling, type FullSignaling, type Offer } from './signaling.ts';

const PROGRAM = fileURLToPath(new URL('gstreamer/client.py', import.meta.url));
/** Debian's Python, which has the bindings. */
const PYTHON = '/usr/bin/python3';
/** The least that Debian has packages for; there is no payloader of AV1 in GStreamer 1.22. */
const CODECS: readonly Codec[] = ['VP8', 'VP9', 'H264'];

interface Publication {
  readonly sending: Sending;
  /** Of its section, from 0; webrtcbin never takes one over. */
  readonly index: number;
}

export async function openGstreamer(backendUrl: string): Promise<OpenClient> {
  const program = new Program();
  const version = await program.ask<string>('version');
  return { client: new GstreamerClient(program, backendUrl), version, close: () => program.close() };
}

class GstreamerClient implements InteropClient {
  readonly #program: Program;
  readonly #backendUrl: string;
  #signaling: FullSignaling | null = null;
  #sessionId = '';
  #left = new AbortController();
  #publications: Publication[] = [];
  #capabilitiesSdp = '';
  #pubSdp = '';
  #applied: Pick<Offer, 'generation' | 'revision'> = { generation: 0, revision: 0 };
  #subSdp = '';
  #tracks: Offer['tracks'] = [];
  #hasExtra = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(program: Program, backendUrl: string) {
    this.#program = program;
    this.#backendUrl = backendUrl;
  }

  async join(roomId: string, userId: string, sending: readonly Sending[]): Promise<void> {
    this.#program.begin();
    this.#left = new AbortController();
    this.#applied = { generation: 0, revision: 0 };
    this.#publications = [];
    const signaling = makeSignaling({
      backendUrl: this.#backendUrl,
      roomId,
      userId,
      signal: this.#left.signal,
      onError: (error) => this.#program.problems.push(error.message),
    });
    this.#signaling = signaling;
    signaling.onOffer((_sessionId, offer) => void this.#receive(offer).catch(() => undefined));
    this.#capabilitiesSdp ||= await this.#program.ask<string>('capabilities');
    const publish = sending.length > 0 ? await this.#newPub(sending) : undefined;
    const answer = await signaling.join({ capabilitiesSdp: this.#capabilitiesSdp, ...(publish ? { publish } : {}) });
    this.#sessionId = answer.user.sessionId;
    if (answer.publish) await this.#published(answer.publish);
    await this.#receive(answer.subscribe);
  }

  async send(sending: Sending): Promise<void> {
    if (this.#publications.length === 0) {
      await this.#publish(await this.#newPub([sending]));
      return;
    }
    await this.#add(sending);
    await this.#publish(await this.#offer());
  }

  async unpublish(): Promise<void> {
    throw new NotSupported('webrtcbin has no `transceiver.stop()`: a track can be muted, and ends with the connection');
  }

  async setPaused(source: string, paused: boolean): Promise<void> {
    await this.#program.ask('direction', source, paused ? 'INACTIVE' : 'SENDONLY');
    await this.#publish(await this.#offer()).catch((error: Error) => {
      const reason = /transceiver direction changes are not implemented/.exec(error.message);
      throw reason ? new NotSupported(`webrtcbin: "${reason[0]}"; mute by the API`) : error;
    });
  }

  /** It cannot: a restart is a new connection, without any other call of the session. */
  async restartIce(): Promise<void> {
    const sendings = this.#publications.map(({ sending }) => sending);
    await this.#program.ask('close', 'sub');
    await this.#publish({ ...(await this.#newPub(sendings)), reset: true });
    await this.#receive(await this.#current.restartSubscribe());
  }

  async restart(): Promise<void> {
    await this.#program.ask('close', 'sub');
    const publish = await this.#newPub(this.#publications.map(({ sending }) => sending));
    const answer = await this.#current.resume({ sessionId: this.#sessionId, reset: 'all', publish });
    if (answer.publish) await this.#published(answer.publish);
    await this.#receive(answer.subscribe);
  }

  async received(): Promise<Record<string, Flow>> {
    const flows = await this.#program.ask<Record<string, Flow>>('flows', 'sub');
    const mids = midsOf(this.#subSdp);
    const nothing: Flow = { packets: 0, frames: 0, width: 0, codec: '' };
    return Object.fromEntries(
      this.#tracks.map(({ mid, trackId }) => [trackId, flows[String(mids.indexOf(mid))] ?? nothing]),
    );
  }

  sent(): Promise<Record<string, Flow>> {
    return this.#program.ask('flows', 'pub');
  }

  async connections(): Promise<Connections> {
    return {
      ufrags: { pub: ufragOf(this.#pubSdp), sub: ufragOf(this.#subSdp) },
      sections: { pub: sectionsOf(this.#pubSdp), sub: sectionsOf(this.#subSdp) },
    };
  }

  async sendMessage(data: unknown): Promise<void> {
    await this.#program.ask('message', 'server', JSON.stringify({ data }));
  }

  async messages(): Promise<readonly Message[]> {
    return this.#program.messages;
  }

  async answer(offer: string): Promise<string> {
    if (!this.#hasExtra) await this.#program.ask('new', 'extra');
    this.#hasExtra = true;
    return this.#program.ask('answer', 'extra', offer);
  }

  async abilities(): Promise<Abilities> {
    return { send: CODECS, receive: CODECS, svc: false, recovers: false };
  }

  async problems(): Promise<readonly string[]> {
    return this.#program.problems;
  }

  async leave(): Promise<void> {
    this.#left.abort();
    await this.#work;
    await this.#signaling?.leave();
    this.#signaling = null;
    for (const role of ['pub', 'sub', 'extra']) await this.#program.ask('close', role);
    this.#hasExtra = false;
    this.#tracks = [];
    this.#program.begin();
  }

  get #current(): FullSignaling {
    if (!this.#signaling) throw new Error('not joined');
    return this.#signaling;
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────

  async #newPub(sendings: readonly Sending[]) {
    this.#publications = [];
    await this.#program.ask('new', 'pub');
    for (const sending of sendings) await this.#add(sending);
    return this.#offer();
  }

  async #add(sending: Sending): Promise<void> {
    if (sending.layers) {
      throw new NotSupported(
        sending.layers !== 'simulcast'
          ? 'its encoders make no layers in one stream'
          : 'webrtcbin makes no simulcast of a track: the application would have to run three encoders (not tried)',
      );
    }
    const kind = isAudio(sending) ? 'audio' : 'video';
    await this.#program.ask('add', sending.source, kind, sending.codec ?? (kind === 'audio' ? 'opus' : 'VP8'));
    this.#publications.push({ sending, index: this.#publications.length });
  }

  async #offer() {
    const sdp = await this.#program.ask<string>('offer');
    const mids = midsOf(sdp);
    return {
      sdp,
      tracks: this.#publications.map(({ sending: { source }, index }) => ({ mid: mids[index] ?? '', source })),
    };
  }

  async #publish(offer: Parameters<FullSignaling['publish']>[0] & { reset?: boolean }): Promise<void> {
    await this.#published(await this.#current.publish(offer));
  }

  async #published({ sdp, sections }: Awaited<ReturnType<FullSignaling['publish']>>): Promise<void> {
    this.#pubSdp = sdp;
    await this.#program.ask('answered', sdp);
    for (const { status, source, code } of sections) {
      if (status === 'rejected') this.#program.problems.push(`${source} was not taken: ${code}`);
    }
  }

  // ── Receiving ────────────────────────────────────────────────────────────────────────────────

  #receive(offer: Offer | null): Promise<void> {
    const work = this.#work.then(() => this.#apply(offer));
    this.#work = work.catch((error: Error) => {
      if (!this.#left.signal.aborted) this.#program.problems.push(error.message);
    });
    return work;
  }

  async #apply(first: Offer | null): Promise<void> {
    for (let offer = first; offer && !this.#left.signal.aborted;) {
      const { generation, revision } = this.#applied;
      if (offer.generation < generation || (offer.generation === generation && offer.revision <= revision)) return;
      if (offer.generation > generation) {
        await this.#program.ask('new', 'sub');
        for (const { label, ...options } of offer.data) {
          await this.#program.ask('channel', label, channelOptions(options));
        }
      }
      this.#applied = offer;
      const sdp = await this.#program.ask<string>('answer', 'sub', offer.sdp);
      this.#subSdp = offer.sdp;
      this.#tracks = offer.tracks;
      offer = (await this.#current.answer({ negotiationId: offer.negotiationId, sdp })).next;
    }
  }
}

/** In GStreamer's names. */
function channelOptions({
  id,
  ordered,
  maxRetransmits,
}: Omit<Offer['data'][number], 'label'>): Record<string, unknown> {
  return {
    negotiated: '(boolean)true',
    id: `(int)${id}`,
    ordered: `(boolean)${ordered}`,
    ...(maxRetransmits === undefined ? {} : { 'max-retransmits': `(int)${maxRetransmits}` }),
  };
}

const midsOf = (sdp: string) => [...sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, mid]) => mid ?? '');

/** The Python process: one answer per question. */
class Program {
  messages: Message[] = [];
  problems: string[] = [];
  readonly #process: ChildProcessWithoutNullStreams;
  /** What is told of each question: its answer, or that there will be none. */
  readonly #waiting = new Map<number, (line: string | Error) => void>();
  readonly #ended: Promise<void>;
  #asked = 0;

  constructor() {
    this.#process = spawn(PYTHON, [PROGRAM], { stdio: ['pipe', 'pipe', 'pipe'] });
    let last = '';
    this.#process.stderr.on('data', (chunk: Buffer) => (last = chunk.toString()));
    createInterface(this.#process.stdout).on('line', (line) => this.#read(line));
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        const error = new Error(`the GStreamer client ended (${code ?? signal}): ${last.trim().split('\n').at(-1)}`);
        for (const tell of this.#waiting.values()) tell(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  begin(): void {
    this.messages = [];
    this.problems = [];
  }

  ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, (line) => {
        if (line instanceof Error) return reject(line);
        const answer: { readonly result: T; readonly error?: string } = JSON.parse(line);
        if (answer.error === undefined) resolve(answer.result);
        else reject(new Error(`GStreamer: ${answer.error}`));
      });
      this.#process.stdin.write(`${JSON.stringify({ id, method, args })}\n`);
    });
  }

  #read(line: string): void {
    const said: { readonly id?: number; readonly event?: string; readonly text?: string } = JSON.parse(line);
    if (said.event === 'message') this.messages.push(JSON.parse(said.text ?? ''));
    else if (said.event === 'error') this.problems.push(said.text ?? '');
    const tell = this.#waiting.get(said.id ?? 0);
    this.#waiting.delete(said.id ?? 0);
    tell?.(line);
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#ended;
  }
}
