import express, { type ErrorRequestHandler, type Express } from 'express';
import {
  controlRequestSchema,
  errorCodeOf,
  isControlCommand,
  ProblemError,
  toProblem,
  type ControlCommand,
  type ControlResult,
  type Fence,
} from '@mediaserver/contracts';
import { z } from 'zod';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { Application } from '../application.ts';
import { CommandCache } from './command-cache.ts';

/** A join carries two SDPs of at most 512 KiB each, escaped. */
const BODY_LIMIT = '4mb';

/** Routes of the control API: `POST /control/v1/<command>` with `{fence, params}` → `{result}` or a problem. */
export function createControlApp(application: Application, bootId: string, log: Logger, metrics: NodeMetrics): Express {
  const app = express();
  const cache = new CommandCache();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(express.json({ limit: BODY_LIMIT }));

  app.post('/control/v1/:command', async (request, response) => {
    const { command } = request.params;
    if (!isControlCommand(command)) throw new ProblemError('unknown_command', `there is no command ${command}`);
    const parsed = controlRequestSchema.safeParse(request.body);
    if (!parsed.success) throw new ProblemError('invalid_request', 'the body must be {fence, params}');
    const { fence, params } = parsed.data;
    if (fence.bootId !== bootId) throw new ProblemError('wrong_boot', 'this node was restarted');

    const end = metrics.controlRequestSeconds.startTimer({ command });
    const work = () => executeInTime(application, command, params, fence);
    try {
      const result = isRepeatable(command)
        ? await cache.run(`${command} ${fence.idempotencyKey}`, work, Date.now())
        : await work();
      end({ outcome: 'ok' });
      response.json({ result });
    } catch (error) {
      end({ outcome: errorCodeOf(error) });
      throw error;
    }
  });

  app.use((request) => {
    throw new ProblemError('not_found', `there is no ${request.method} ${request.path}`);
  });
  const onError: ErrorRequestHandler = (error, request, response, _next) => {
    const problem = toProblem(bodyError(error));
    if (problem.code === 'internal_error') {
      const requestId = request.get('x-request-id');
      log.error({ err: error, path: request.path, requestId, ...idsOf(request.body) }, 'a control command failed');
    }
    response.status(problem.status).type('application/problem+json').json(problem);
  };
  app.use(onError);
  return app;
}

/**
 * Commands whose repeat must adopt the first effect. What only reads, or only brings two nodes'
 * states together, may run again, and its answer (lists, keys of pipes) is not kept.
 */
function isRepeatable(command: ControlCommand): boolean {
  return !command.startsWith('cascade.') && command !== 'session.offer';
}

/** What a log line is found by. */
const logIdsSchema = z.object({
  params: z.object({ roomSessionId: z.string().optional(), sessionId: z.string().optional() }),
});
function idsOf(body: unknown): { roomSessionId?: string | undefined; sessionId?: string | undefined } {
  const parsed = logIdsSchema.safeParse(body);
  return parsed.success ? parsed.data.params : {};
}

/** Nobody waits after the deadline: late work does not start. */
async function executeInTime<C extends ControlCommand>(
  application: Application,
  command: C,
  params: unknown,
  fence: Fence,
): Promise<ControlResult<C>> {
  if (Date.now() >= fence.deadline) throw new ProblemError('deadline_exceeded', 'the deadline had passed on arrival');
  return application.execute(command, params, fence);
}

/** express.json() reports a bad body by an error with a `type` and a 4xx `status`. */
function bodyError(error: unknown): unknown {
  if (!(error instanceof Error) || !('type' in error)) return error;
  if (error.type === 'entity.too.large') return new ProblemError('body_too_large');
  if (error.type === 'entity.parse.failed') return new ProblemError('invalid_json');
  if ('status' in error && typeof error.status === 'number' && error.status < 500) {
    return new ProblemError('invalid_request', error.message);
  }
  return error;
}
