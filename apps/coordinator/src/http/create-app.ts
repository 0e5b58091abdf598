import { ProblemError } from '@mediaserver/contracts';
import type { CoordinatorMetrics, Logger } from '@mediaserver/telemetry';
import express, { type Express, type Request, type RequestHandler } from 'express';
import type { Coordinator } from '../coordinator.ts';
import type { ApiKeys, Caller } from './auth.ts';
import { errorHandler } from './error-handler.ts';
import { operationRoutes } from './operation-routes.ts';
import { contextOf, requestContext } from './request-context.ts';
import { docsRoutes } from './routes/docs.ts';
import { eventHandlers } from './routes/events.ts';
import { mediaHandlers } from './routes/media.ts';
import { nodeHandlers } from './routes/nodes.ts';
import { roomHandlers } from './routes/rooms.ts';
import { userHandlers } from './routes/users.ts';

export interface AppParts {
  readonly coordinator: Coordinator;
  readonly keys: ApiKeys;
  readonly log: Logger;
  readonly metrics: CoordinatorMetrics;
}

/** The API as an express application. */
export function createApp({ coordinator, keys, log, metrics }: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(requestContext(log, metrics));
  app.use(securityHeaders);
  app.use(docsRoutes());

  const callers = new WeakMap<Request, Caller>();
  // The key is checked before a byte of the body is read.
  app.use('/v1', (request, response, next) => {
    const caller = keys.authenticate(request.get('authorization'));
    callers.set(request, caller);
    contextOf(response).tenant = caller.tenant;
    next();
  });
  const callerOf = (request: Request): Caller => {
    const caller = callers.get(request);
    if (!caller) throw new ProblemError('unauthorized');
    return caller;
  };
  app.use(
    operationRoutes(
      {
        ...roomHandlers(coordinator),
        ...userHandlers(coordinator),
        ...mediaHandlers(coordinator),
        ...eventHandlers(coordinator),
        ...nodeHandlers(coordinator),
      },
      callerOf,
    ),
  );
  app.use(() => {
    throw new ProblemError('not_found');
  });
  app.use(errorHandler);
  return app;
}

const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'X-Frame-Options': 'DENY',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Cache-Control': 'no-store',
  });
  next();
};
