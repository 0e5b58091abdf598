import { errorCodeOf, errorCodes, ProblemError, toProblem, type ErrorCode } from '@mediaserver/contracts';
import type { ErrorRequestHandler } from 'express';
import { contextOf } from './request-context.ts';

/** How long a caller should wait before it repeats a retryable call, seconds. */
const RETRY_AFTER_SECONDS = 1;

/** What express' own body parser and router call the things that can be wrong with a request. */
const bodyParserCodes: Readonly<Record<string, ErrorCode>> = {
  'entity.parse.failed': 'invalid_json',
  'entity.too.large': 'body_too_large',
  'encoding.unsupported': 'unsupported_media_type',
  'charset.unsupported': 'unsupported_media_type',
};

/** Puts the names other libraries give to errors into ours. */
function normalizeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof ProblemError) return error;
  const code = 'code' in error ? error.code : undefined;
  // How Redis fails is for the log, not for callers.
  if (code === 'registry_unavailable' || code === 'registry_refused' || code === 'registry_closed') {
    return new ProblemError('registry_unavailable', undefined, undefined, { cause: error });
  }
  if (errorCodeOf(error) !== 'internal_error') return error;
  const type = 'type' in error && typeof error.type === 'string' ? error.type : '';
  const known = bodyParserCodes[type];
  if (known) return new ProblemError(known, undefined, undefined, { cause: error });
  const status = 'status' in error && typeof error.status === 'number' ? error.status : 500;
  if (status >= 400 && status < 500) {
    return new ProblemError('invalid_request', 'the request cannot be read', undefined, { cause: error });
  }
  return error;
}

/** Answers every error as RFC 9457 problem+json and leaves the code for the request's log line. */
export const errorHandler: ErrorRequestHandler = (thrown, _request, response, next) => {
  if (response.headersSent) {
    next(thrown);
    return;
  }
  const error = normalizeError(thrown);
  const context = contextOf(response);
  const code = errorCodeOf(error);
  context.code = code;
  context.error = error;
  const { status, retryable } = errorCodes[code];
  if (retryable && status === 503) response.set('Retry-After', String(RETRY_AFTER_SECONDS));
  if (status === 401) response.set('WWW-Authenticate', 'Bearer');
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(toProblem(error, context.requestId)));
};
