import { z } from 'zod';
import { factDataSchemas, signalDataSchemas, webhookBodySchema } from '../api/events.ts';
import { hasBody, operationErrors, operationIds, operations, type OperationId } from '../api/operations.ts';
import { errorCodes, ProblemError, problemSchema, toProblem, type ErrorCode } from '../problem.ts';
import { examples, factsExample, signalExample } from './examples.ts';
import { componentSchemas, eventDataName, inlineSchema, schemaRef } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const STATUS_NAMES: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'Done; no body',
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'The SDP cannot be used',
  500: 'Internal error',
  503: 'Unavailable',
};

const INTRODUCTION = `A self-hosted WebRTC media server: plain SDP in, plain SDP out.

Your backend holds the API key, relays SDP between its own users and this API, and receives events by webhook or reads them here.

- Every answer that is not 2xx is \`application/problem+json\` (RFC 9457) with a \`code\` from the [table of errors](/docs/errors); \`retryable\` says whether the same request may succeed later.
- Unknown fields in a request are refused with their path. Answers and events may gain fields, and strings with \`x-known-values\` may gain values: a client must ignore what it does not know.
- Every answer carries \`X-Request-Id\`; the same id is in the server's logs. A request may bring its own.
- Calls under \`/users/{userId}\` concern the user's newest session; \`?sessionId=\` makes a call apply to that session only, and 409 \`stale_session\` says that it is not current any more.`;

/** The OpenAPI 3.1 document of the whole API, made from the schemas that the server checks with. */
export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Media server API',
      version: '1.0.0',
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'this server' }],
    security: [{ apiKey: [] }],
    tags: [
      { name: 'Rooms', description: 'A room is the conference; its `roomId` is yours and can be used again.' },
      { name: 'Users', description: 'Joining, reading and leaving. Each join makes a session.' },
      { name: 'Media', description: 'What a session sends (publish) and receives (subscribe).' },
      { name: 'Events', description: 'Facts of a room, in order, to read again.' },
      { name: 'Nodes', description: 'The media nodes.' },
    ],
    paths: paths(),
    webhooks: webhooks(),
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'The API key.' } },
      headers: {
        RequestId: { description: "The request's id; also in the logs.", schema: { type: 'string' } },
        RetryAfter: { description: 'Seconds to wait before trying again.', schema: { type: 'integer' } },
      },
      schemas: componentSchemas(),
      examples: problemExamples(),
    },
  };
}

function paths(): Json {
  const result: Record<string, Record<string, Json>> = {};
  for (const id of operationIds) {
    const { path, method } = operations[id];
    (result[path] ??= {})[method] = operation(id);
  }
  return result;
}

function operation(id: OperationId): Json {
  const { tag, summary, description, params, query } = operations[id];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...parameters('path', params, examples[id].params), ...parameters('query', query, {})],
    ...(hasBody(id) ? { requestBody: requestBody(id) } : {}),
    responses: { ...answerResponses(id), ...errorResponses(operationErrors(id)) },
  };
}

function parameters(where: 'path' | 'query', schema: z.ZodObject, values: Readonly<Record<string, string>>): Json[] {
  return Object.entries(schema.shape).map(([name, type]) => {
    if (!(type instanceof z.ZodType)) throw new Error(`${name} is not a schema`);
    const { description, ...json } = inlineSchema(type);
    return {
      name,
      in: where,
      description,
      required: where === 'path',
      schema: json,
      example: values[name],
    };
  });
}

function requestBody(id: OperationId): Json {
  return {
    required: true,
    content: { 'application/json': { schema: schemaRef(operations[id].body), example: examples[id].request } },
  };
}

function answerResponses(id: OperationId): Json {
  const entries = Object.entries(operations[id].answers).map(([status, schema]) => {
    const example = examples[id].answers.find((answer) => String(answer.status) === status);
    const base = {
      description: STATUS_NAMES[Number(status)] ?? status,
      headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } },
    };
    if (!schema) return [status, base];
    return [
      status,
      { ...base, content: { 'application/json': { schema: schemaRef(schema), example: example?.body } } },
    ];
  });
  return Object.fromEntries(entries);
}

/** One response per status, with an example of each code that comes with it. */
function errorResponses(codes: readonly ErrorCode[]): Json {
  const statuses = [...new Set(codes.map((code) => errorCodes[code].status))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => {
      const here = codes.filter((code) => errorCodes[code].status === status);
      return [String(status), errorResponse(status, here)];
    }),
  );
}

function errorResponse(status: number, codes: readonly ErrorCode[]): Json {
  return {
    description: `${STATUS_NAMES[status] ?? status}: ${codes.map((code) => `\`${code}\``).join(', ')}`,
    headers: {
      'X-Request-Id': { $ref: '#/components/headers/RequestId' },
      ...(status === 503 ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}),
    },
    content: {
      'application/problem+json': {
        schema: schemaRef(problemSchema),
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

function problemExamples(): Json {
  const codes = new Set(operationIds.flatMap((id) => operationErrors(id)));
  return Object.fromEntries(
    [...codes].map((code) => {
      // An internal error keeps its message to itself; this one would be told as such.
      const value = toProblem(new ProblemError(code), '3f0f6d5e-1f4b-4c55-9f4e-7d1d0a6b2c11');
      return [code, { summary: errorCodes[code].title, value }];
    }),
  );
}

function webhooks(): Json {
  const headers = [
    ['webhook-id', 'The same for the same message: tells a repetition.'],
    ['webhook-timestamp', 'Unix seconds when it was sent.'],
    ['webhook-signature', 'One or more `v1,<base64 HMAC-SHA256>` separated by spaces (Standard Webhooks).'],
  ];
  const dataOf = (schemas: object): Json =>
    Object.fromEntries(
      Object.keys(schemas).map((type) => [type, { $ref: `#/components/schemas/${eventDataName(type)}` }]),
    );
  const webhook = (summary: string, description: string, types: object, example: object): Json => ({
    post: {
      summary,
      description,
      parameters: headers.map(([name, text]) => ({
        name,
        in: 'header',
        required: true,
        description: text,
        schema: { type: 'string' },
      })),
      'x-data-schemas': dataOf(types),
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaRef(webhookBodySchema), example } },
      },
      responses: { '2XX': { description: 'Taken. Anything else, a redirect too, means: send it again.' } },
    },
  });
  return {
    facts: webhook(
      'Facts of one room, in order',
      'At least once, `seq` without gaps within (`roomSessionId`, `eventEpoch`), at most 100 at a time. `data` is described by `x-data-schemas` per `type`; ignore types you do not know.',
      factDataSchemas,
      factsExample,
    ),
    signals: webhook(
      'Signals of one session',
      'No `seq`; the latest wins per session and type; safe to lose, double or delay; never wait for facts.',
      signalDataSchemas,
      signalExample,
    ),
  };
}
