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
    try {
      const result = await cache.run(
        `${command} ${fence.idempotencyKey}`,
        () => executeInTime(application, command, params, fence),
        Date.now(),
      );
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
  const onError: ErrorRequestHandler = (error, _request, response, _next) => {
    const problem = toProblem(bodyError(error));
    if (problem.code === 'internal_error') log.error({ err: error }, 'a control command failed');
    response.status(problem.status).type('application/problem+json').json(problem);
  };
  app.use(onError);
  return app;
}

/** Nobody waits after the deadline: late work does not start, and work that takes too long is answered so. */
async function executeInTime<C extends ControlCommand>(
  application: Application,
  command: C,
  params: unknown,
  fence: Fence,
): Promise<ControlResult<C>> {
  if (Date.now() >= fence.deadline) throw new ProblemError('deadline_exceeded', 'the deadline had passed on arrival');
  return application.execute(command, params, fence);
}

/** express.json() reports a bad body by an error with a `type`. */
function bodyError(error: unknown): unknown {
  if (!(error instanceof Error) || !('type' in error)) return error;
  if (error.type === 'entity.too.large') return new ProblemError('body_too_large');
  if (error.type === 'entity.parse.failed') return new ProblemError('invalid_json');
  return error;
}
