import { randomUUID } from 'node:crypto';
import { ProblemError, type ControlCommand, type ControlParams, type ControlResult } from '@mediaserver/contracts';
import type { ControlClient } from '@mediaserver/control';
import type { NodeDirectory } from './node-directory.ts';
import { currentRequestId } from './request-id.ts';

/** Which process a command is for, and under which epoch of the room. */
export interface Destination {
  readonly nodeId: string;
  readonly bootId: string;
  readonly epoch: number;
}

/** Codes a node answers with that mean something else to the caller of the API. */
const translated = {
  deadline_exceeded: 'node_unavailable',
  wrong_boot: 'node_unavailable',
  stale_epoch: 'node_unavailable',
  room_not_hosted: 'session_gone',
  // The coordinator checked it already: if the node disagrees, that is our mistake.
  invalid_request: 'internal_error',
  unknown_command: 'internal_error',
  unauthorized: 'internal_error',
} as const;

function isTranslated(code: string): code is keyof typeof translated {
  return Object.hasOwn(translated, code);
}

/** Sends commands to nodes; a lost answer is asked for once more under the same key. */
export class NodeClient {
  readonly #control: Pick<ControlClient, 'call'>;
  readonly #nodes: NodeDirectory;
  readonly #timeoutMs: number;

  constructor(control: Pick<ControlClient, 'call'>, nodes: NodeDirectory, timeoutMs = 4_000) {
    this.#control = control;
    this.#nodes = nodes;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @throws ProblemError with a code the API's caller may see; `node_unavailable` if the node is
   *   gone or silent (the command may still have had its effect).
   */
  async send<C extends ControlCommand>(
    to: Destination,
    command: C,
    params: ControlParams<C>,
  ): Promise<ControlResult<C>> {
    const node = await this.#nodes.find(to.nodeId, to.bootId);
    if (!node) throw new ProblemError('node_unavailable', `${to.nodeId} is not there, or was restarted`);
    const requestId = currentRequestId();
    const options = {
      epoch: to.epoch,
      idempotencyKey: randomUUID(),
      timeoutMs: this.#timeoutMs,
      ...(requestId === undefined ? {} : { requestId }),
    };
    try {
      try {
        return await this.#control.call(node.descriptor, command, params, options);
      } catch (error) {
        if (!isSilence(error)) throw error;
        return await this.#control.call(node.descriptor, command, params, options);
      }
    } catch (error) {
      if (error instanceof ProblemError && isTranslated(error.code)) {
        throw new ProblemError(translated[error.code], error.message, error.mid, { cause: error });
      }
      throw error;
    }
  }
}

/** The node did not answer, so the same command with the same key is safe to send again. */
function isSilence(error: unknown): boolean {
  return error instanceof ProblemError && (error.code === 'node_unavailable' || error.code === 'deadline_exceeded');
}
