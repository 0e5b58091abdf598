import { randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';
import {
  controlCommands,
  isErrorCode,
  problemSchema,
  ProblemError,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type Fence,
} from '@mediaserver/contracts';
import type { ControlTls } from './control-tls.ts';

/** The process a command is meant for. */
export interface ControlTarget {
  readonly controlUrl: string;
  readonly bootId: string;
}

export interface ControlCallOptions {
  /** The room's epoch as the caller knows it. */
  readonly epoch: number;
  /** How long the caller waits, ms. */
  readonly timeoutMs?: number;
  /** Given when a retry must adopt the effect of an earlier call; else each call has its own. */
  readonly idempotencyKey?: string;
  /** The API request this is done for; sent as `X-Request-Id`, for the node's log. */
  readonly requestId?: string;
}

export interface ControlClientOptions {
  readonly tls: ControlTls | null;
  /** Told of each call when it ends. */
  readonly onCall?: (command: ControlCommand, seconds: number, outcome: string) => void;
}

const DEFAULT_TIMEOUT_MS = 5_000;
/** A node's answer carries at most a few SDPs; more is not an answer of ours. */
const MAX_RESPONSE_BYTES = 8 * 1024 * 1024;

/** Sends control commands to nodes over keep-alive HTTP: coordinator → node and node → node. */
export class ControlClient {
  readonly #agent: Agent;
  readonly #onCall: ControlClientOptions['onCall'];

  constructor({ tls, onCall }: ControlClientOptions) {
    this.#agent = new Agent({
      connect: { timeout: 2_000, ...(tls ? { cert: tls.cert, key: tls.key, ca: tls.ca } : {}) },
      keepAliveTimeout: 30_000,
      maxResponseSize: MAX_RESPONSE_BYTES,
    });
    this.#onCall = onCall;
  }

  /**
   * @returns the command's result, checked against its schema.
   * @throws ProblemError with the node's code; `node_unavailable` if it cannot be reached or speaks
   *   no sense, `deadline_exceeded` if it did not answer in time (the effect may have happened).
   */
  async call<C extends ControlCommand>(
    target: ControlTarget,
    command: C,
    params: ControlParams<C>,
    { epoch, timeoutMs = DEFAULT_TIMEOUT_MS, idempotencyKey = randomUUID(), requestId }: ControlCallOptions,
  ): Promise<ControlResult<C>> {
    const startedAt = performance.now();
    let outcome = 'ok';
    try {
      const fence: Fence = { bootId: target.bootId, epoch, deadline: Date.now() + timeoutMs, idempotencyKey };
      return await this.#send(target.controlUrl, command, { fence, params }, timeoutMs, requestId);
    } catch (error) {
      outcome = error instanceof ProblemError ? error.code : 'internal_error';
      throw error;
    } finally {
      this.#onCall?.(command, (performance.now() - startedAt) / 1000, outcome);
    }
  }

  async #send<C extends ControlCommand>(
    controlUrl: string,
    command: C,
    body: { fence: Fence; params: ControlParams<C> },
    timeoutMs: number,
    requestId: string | undefined,
  ): Promise<ControlResult<C>> {
    const signal = AbortSignal.timeout(timeoutMs);
    let status: number;
    let answer: unknown;
    try {
      const response = await request(new URL(`/control/v1/${command}`, controlUrl), {
        dispatcher: this.#agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
        },
        body: JSON.stringify(body),
        signal,
      });
      status = response.statusCode;
      answer = await response.body.json();
    } catch (error) {
      if (signal.aborted) throw new ProblemError('deadline_exceeded', `${command}: no answer in ${timeoutMs} ms`);
      throw new ProblemError('node_unavailable', `${command}: ${error instanceof Error ? error.message : 'failed'}`);
    }
    if (status === 200 && typeof answer === 'object' && answer !== null && 'result' in answer) {
      const parsed = controlCommands[command].result.safeParse(answer.result);
      if (parsed.success) return parsed.data;
    }
    const problem = problemSchema.safeParse(answer);
    if (problem.success && isErrorCode(problem.data.code)) {
      throw new ProblemError(problem.data.code, problem.data.detail, problem.data.mid);
    }
    throw new ProblemError('node_unavailable', `${command}: unexpected answer, status ${status}`);
  }

  /** Idempotent. Calls under way fail. */
  async close(): Promise<void> {
    if (!this.#agent.destroyed) await this.#agent.destroy();
  }
}
