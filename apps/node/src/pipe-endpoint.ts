import type { Consumer, PipeTransport, Producer, Router } from 'mediasoup/types';
import { ProblemError, type ControlResult, type PipeEnd } from '@mediaserver/contracts';
import type { NodeConfig } from './config.ts';

/** Bursts of a whole room cross a pipe at once, so its socket buffers are large, bytes. */
const PIPE_SOCKET_BUFFER = 4 * 1024 * 1024;

export type PipedParameters = ControlResult<'cascade.pipeProducer'>;

/**
 * This node's half of a Pipe: one PipeTransport, SRTP and RTX on, carrying producers both ways.
 * What `router.pipeToRouter()` does inside a process is done here by hand across two.
 *
 * Invariants:
 * 1. A producer is received or sent at most once; asking again gives the same.
 * 2. Closing the half closes everything received and sent through it; the far half is its node's.
 */
export class PipeEndpoint {
  /** Made by the node that opened the Pipe; the same at both ends. */
  readonly pipeId: string;
  readonly #router: Router;
  readonly #transport: PipeTransport;
  readonly #received = new Map<string, Producer>();
  readonly #sent = new Map<string, Promise<Consumer>>();

  private constructor(pipeId: string, router: Router, transport: PipeTransport) {
    this.pipeId = pipeId;
    this.#router = router;
    this.#transport = transport;
  }

  /** @throws Error if no port of the range is free. */
  static async create(pipeId: string, router: Router, config: NodeConfig['pipe']): Promise<PipeEndpoint> {
    const transport = await router.createPipeTransport({
      listenInfo: {
        protocol: 'udp',
        ip: config.listen,
        portRange: { min: config.portMin, max: config.portMax },
        sendBufferSize: PIPE_SOCKET_BUFFER,
        recvBufferSize: PIPE_SOCKET_BUFFER,
      },
      enableSrtp: true,
      enableRtx: true,
    });
    return new PipeEndpoint(pipeId, router, transport);
  }

  get closed(): boolean {
    return this.#transport.closed;
  }

  /** What the far end must be told; the key is made by mediasoup and goes nowhere else. */
  describe(announcedIp: string): PipeEnd {
    const { srtpParameters, tuple } = this.#transport;
    if (!srtpParameters) throw new Error('the pipe has no SRTP');
    return { ip: announcedIp, port: tuple.localPort, srtpParameters };
  }

  async connect(end: PipeEnd): Promise<void> {
    const { cryptoSuite, keyBase64 } = end.srtpParameters;
    if (cryptoSuite !== 'AEAD_AES_256_GCM') throw new Error(`pipe suite ${cryptoSuite} is not allowed`);
    await this.#transport.connect({ ip: end.ip, port: end.port, srtpParameters: { cryptoSuite, keyBase64 } });
  }

  /** Producers that came through this pipe, by id. */
  get received(): ReadonlyMap<string, Producer> {
    return this.#received;
  }

  /** Ids of the producers this node sends. */
  get sending(): ReadonlySet<string> {
    return new Set(this.#sent.keys());
  }

  /** Makes the far node's producer exist on this Router, under the same id. */
  async receive(producerId: string, parameters: PipedParameters): Promise<Producer> {
    const known = this.#received.get(producerId);
    if (known) return known;
    const producer = await this.#transport.produce({
      id: producerId,
      kind: parameters.kind,
      rtpParameters: parameters.rtpParameters,
      paused: parameters.paused,
    });
    this.#received.set(producerId, producer);
    producer.observer.once('close', () => this.#received.delete(producerId));
    return producer;
  }

  /** Starts sending a producer of this Router. */
  async send(producerId: string): Promise<PipedParameters> {
    const sent = this.#sent.get(producerId) ?? this.#consume(producerId);
    const consumer = await sent;
    if (consumer.closed) throw new ProblemError('track_not_found', 'it was given up meanwhile');
    const { kind, rtpParameters, producerPaused } = consumer;
    return { kind, rtpParameters, paused: producerPaused };
  }

  #consume(producerId: string): Promise<Consumer> {
    const sent = this.#transport.consume({ producerId });
    const forget = () => {
      if (this.#sent.get(producerId) === sent) this.#sent.delete(producerId);
    };
    this.#sent.set(producerId, sent);
    sent.then((consumer) => consumer.observer.once('close', forget), forget);
    return sent;
  }

  async stopSending(producerId: string): Promise<void> {
    // What could not be sent needs no stopping.
    const consumer = await this.#sent.get(producerId)?.catch(() => undefined);
    consumer?.close();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#router.closed) this.#transport.close();
  }

  /** Called once when the half is closed, by whom ever. */
  onClose(listener: () => void): void {
    this.#transport.observer.once('close', listener);
  }
}
