import {
  hasBody,
  operationIds,
  operations,
  ProblemError,
  type OperationAnswer,
  type OperationBody,
  type OperationId,
  type OperationParams,
  type OperationQuery,
} from '@mediaserver/contracts';
import express, { Router, type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import type { Caller } from './auth.ts';
import { underRequestId } from '../request-id.ts';
import { contextOf } from './request-context.ts';

/** Two SDPs of the largest size allowed, with their line breaks escaped, and the rest of a join. */
const MAX_BODY_BYTES = 1_258_291;
/** Nothing of ours is nested deeper, metadata included; deeper ones would exhaust the stack. */
const MAX_DEPTH = 32;

/** A call after everything in it has been checked. */
export interface Call<Id extends OperationId> {
  readonly caller: Caller;
  readonly params: OperationParams<Id>;
  readonly query: OperationQuery<Id>;
  readonly body: OperationBody<Id>;
}
export type Handler<Id extends OperationId> = (call: Call<Id>) => Promise<OperationAnswer<Id>>;
/** One handler per operation; a missing or an additional one does not compile. */
export type Handlers = { readonly [Id in OperationId]: Handler<Id> };

/** `/v1/rooms/{roomId}` → `/v1/rooms/:roomId` */
export function expressPath(template: string): string {
  return template.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** The routes of all operations, exactly those of the table. */
export function operationRoutes(handlers: Handlers, callerOf: (request: Request) => Caller): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const readBody = [requireJson, express.json({ limit: MAX_BODY_BYTES, type: 'application/json' })];
  for (const path of new Set(operationIds.map((id) => operations[id].path))) {
    const route = router.route(expressPath(path));
    const here = operationIds.filter((id) => operations[id].path === path);
    for (const id of here) {
      route[operations[id].method](
        nameOperation(id),
        ...(hasBody(id) ? readBody : []),
        operationHandler(id, handlers, callerOf),
      );
    }
    route.all((_request, response) => {
      response.set('Allow', here.map((id) => operations[id].method.toUpperCase()).join(', '));
      throw new ProblemError('method_not_allowed');
    });
  }
  return router;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- `id` keeps its type: schemas and handler belong together
function operationHandler<Id extends OperationId>(
  id: Id,
  handlers: Handlers,
  callerOf: (request: Request) => Caller,
): RequestHandler {
  const { params, query, body } = operations[id];
  return async (request, response) => {
    const context = contextOf(response);
    const checked = parse(params, request.params, 'path');
    context.ids = checked;
    const call: Call<Id> = {
      caller: callerOf(request),
      params: checked,
      query: parse(query, request.query, 'query'),
      body: parse(body, hasBody(id) ? jsonBody(request) : null, 'body'),
    };
    const answer = await underRequestId(context.requestId, () => handlers[id](call));
    context.ids = { ...checked, ...idsMade(answer.body) };
    response.status(answer.status);
    if (answer.body === null) response.end();
    else response.json(answer.body);
  };
}

const idsMadeSchema = z.object({
  roomId: z.string().optional(),
  user: z.object({ userId: z.string(), sessionId: z.string(), nodeId: z.string() }).optional(),
});

/** Ids that a call made, for its log line: a room's, or a new session's with the node it is on. */
function idsMade(answer: unknown): Readonly<Record<string, unknown>> {
  const parsed = idsMadeSchema.safeParse(answer);
  if (!parsed.success) return {};
  const { roomId, user } = parsed.data;
  return { ...(roomId === undefined ? {} : { roomId }), ...user };
}

/** First, so that a body that cannot be read is logged and counted under its operation. */
function nameOperation(id: OperationId): RequestHandler {
  return (_request, response, next) => {
    contextOf(response).operation = id;
    next();
  };
}

const requireJson: RequestHandler = (request, _response, next) => {
  // `false`: there is a body of another type. `null`: there is no body.
  if (request.is('application/json') === false) throw new ProblemError('unsupported_media_type');
  next();
};

function jsonBody(request: Request): unknown {
  const body: unknown = request.body;
  // express makes `{}` of an empty one.
  if (body === undefined || request.get('content-length') === '0')
    throw new ProblemError('invalid_json', 'the call needs a JSON body');
  if (deeperThan(body, MAX_DEPTH)) throw new ProblemError('invalid_request', `body: nested deeper than ${MAX_DEPTH}`);
  return body;
}

/** @throws ProblemError `invalid_request` naming each field that does not fit. */
function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) => {
    const path = [where, ...issue.path.map(String)].join('.');
    return issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${path}.${key}: unknown field`)
      : [`${path}: ${issue.message}`];
  });
  throw new ProblemError('invalid_request', problems.slice(0, 10).join('; ').slice(0, 1000));
}

function deeperThan(value: unknown, limit: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
