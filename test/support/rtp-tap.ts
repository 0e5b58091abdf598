import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What went by under one SSRC. The headers of SRTP are readable, its payload is not. */
interface Stream {
  readonly ssrc: number;
  readonly payloadType: number;
  packets: number;
  /** With headers of RTP and SRTP, without those of UDP and IP. */
  bytes: number;
  /** Packets by the ids of the header extensions in them (RFC 8285). */
  readonly extensions: Map<number, number>;
}

/**
 * A UDP relay between clients and a node that reads the RTP headers of what it passes on: the one
 * place where it shows what is really sent, whatever SDP says and statistics leave out.
 */
export class RtpTap {
  readonly #entry: Socket;
  /** Towards the node, by the client's port. */
  readonly #exits = new Map<number, Socket>();
  #node: { readonly ip: string; readonly port: number } | undefined;
  readonly #toNode = new Map<number, Stream>();
  readonly #toClients = new Map<number, Stream>();
  readonly #toLose = new Set<number>();

  private constructor(entry: Socket) {
    this.#entry = entry;
    entry.on('message', (packet, { port, address }) => {
      note(this.#toNode, packet);
      if (isRtp(packet) && this.#toLose.delete(payloadTypeOf(packet))) return;
      this.#exit(port, address).send(packet, this.#node?.port, this.#node?.ip);
    });
  }

  static async open(): Promise<RtpTap> {
    const entry = createSocket('udp4').bind(0, '127.0.0.1');
    await once(entry, 'listening');
    return new RtpTap(entry);
  }

  /** Leads a client through the tap: its SDP with the tap as the only candidate of the node. */
  lead(sdp: string): string {
    const candidate = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ .*$/m.exec(sdp);
    if (!candidate) throw new Error('no UDP candidate in this SDP');
    const [line, ip = '', port = ''] = candidate;
    this.#node = { ip, port: Number(port) };
    const { address, port: ours } = this.#entry.address();
    const tapped = line.replace(`${ip} ${port}`, `${address} ${ours}`);
    return sdp
      .split('\r\n')
      .filter((other) => !other.startsWith('a=candidate:') || other === line)
      .map((other) => (other === line ? tapped : other))
      .join('\r\n');
  }

  /** What clients sent with one of these payload types, oldest stream first. */
  toNode(...payloadTypes: number[]): Stream[] {
    return [...this.#toNode.values()].filter(({ payloadType }) => payloadTypes.includes(payloadType));
  }

  toClients(...payloadTypes: number[]): Stream[] {
    return [...this.#toClients.values()].filter(({ payloadType }) => payloadTypes.includes(payloadType));
  }

  /** Loses the next packet that a client sends with this payload type. */
  loseOne(payloadType: number): void {
    this.#toLose.add(payloadType);
  }

  #exit(port: number, address: string): Socket {
    const known = this.#exits.get(port);
    if (known) return known;
    const exit = createSocket('udp4');
    exit.on('message', (packet) => {
      note(this.#toClients, packet);
      this.#entry.send(packet, port, address);
    });
    this.#exits.set(port, exit);
    return exit;
  }

  close(): void {
    this.#entry.close();
    for (const exit of this.#exits.values()) exit.close();
  }
}

/** RFC 7983: the first byte tells RTP and RTCP from STUN and DTLS; RFC 5761: the second one RTCP. */
function isRtp(packet: Buffer): boolean {
  if (packet.length < 12) return false;
  const rtcp = packet.readUInt8(1) >= 192 && packet.readUInt8(1) <= 223;
  return packet.readUInt8(0) >= 128 && packet.readUInt8(0) <= 191 && !rtcp;
}

const payloadTypeOf = (packet: Buffer): number => packet.readUInt8(1) & 0x7f;

function note(streams: Map<number, Stream>, packet: Buffer): void {
  if (!isRtp(packet)) return;
  const ssrc = packet.readUInt32BE(8);
  const payloadType = payloadTypeOf(packet);
  const stream = streams.get(ssrc) ?? { ssrc, payloadType, packets: 0, bytes: 0, extensions: new Map() };
  streams.set(ssrc, stream);
  stream.packets += 1;
  stream.bytes += packet.length;
  for (const id of extensionIds(packet)) stream.extensions.set(id, (stream.extensions.get(id) ?? 0) + 1);
}

/** Ids of the header extensions of an RTP packet, in one-byte or two-byte form (RFC 8285 §4). */
function extensionIds(packet: Buffer): number[] {
  if ((packet.readUInt8(0) & 0x10) === 0) return [];
  const start = 12 + 4 * (packet.readUInt8(0) & 0x0f);
  const oneByte = packet.readUInt16BE(start) === 0xbede;
  const end = start + 4 + 4 * packet.readUInt16BE(start + 2);
  const ids: number[] = [];
  let at = start + 4;
  while (at < end) {
    const first = packet.readUInt8(at);
    if (first === 0) {
      at += 1;
      continue;
    }
    ids.push(oneByte ? first >> 4 : first);
    at += oneByte ? 2 + (first & 0x0f) : 2 + packet.readUInt8(at + 1);
  }
  return ids;
}
