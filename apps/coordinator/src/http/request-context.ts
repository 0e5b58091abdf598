import { randomUUID } from 'node:crypto';
import type { ErrorCode, OperationId } from '@mediaserver/contracts';
import type { CoordinatorMetrics, Logger } from '@mediaserver/telemetry';
import type { RequestHandler, Response } from 'express';

const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** What is known of one request while it is being answered; its log line is made from this. */
export interface RequestContext {
  readonly requestId: string;
  readonly startedAt: number;
  tenant?: string;
  operation?: OperationId;
  /** Ids in the path, once they have been checked. */
  ids?: Readonly<Record<string, unknown>>;
  /** Problem code of the answer. */
  code?: ErrorCode;
  error?: unknown;
}

const contexts = new WeakMap<Response, RequestContext>();

/** @throws Error if the request did not pass {@link requestContext}: a mistake in the wiring. */
export function contextOf(response: Response): RequestContext {
  const context = contexts.get(response);
  if (!context) throw new Error('the request has no context');
  return context;
}

/**
 * Gives each request its id (the caller's `X-Request-Id` if it is a sane one) and writes one line
 * when it has been answered. What callers do wrong is info, without a stack: it is theirs.
 */
export function requestContext(log: Logger, metrics: CoordinatorMetrics): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const context: RequestContext = {
      requestId: given !== undefined && SANE_REQUEST_ID.test(given) ? given : randomUUID(),
      startedAt: performance.now(),
    };
    contexts.set(response, context);
    response.set('X-Request-Id', context.requestId);
    response.once('close', () => {
      const seconds = (performance.now() - context.startedAt) / 1000;
      const status = response.writableFinished ? response.statusCode : 499;
      if (context.operation) {
        metrics.apiRequestSeconds.observe({ operation: context.operation, status: String(status) }, seconds);
      }
      const fields = {
        requestId: context.requestId,
        ...(context.operation ? { operation: context.operation } : { path: request.path }),
        method: request.method,
        status,
        ms: Math.round(seconds * 10_000) / 10,
        ...context.ids,
        ...(context.code === undefined ? {} : { code: context.code }),
      };
      if (context.code === 'internal_error') log.error({ ...fields, err: context.error }, 'call failed');
      else if (status === 503 || status === 504)
        log.warn({ ...fields, reason: messageOf(context.error) }, 'call refused');
      else log.info(fields, 'call');
    });
    next();
  };
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
