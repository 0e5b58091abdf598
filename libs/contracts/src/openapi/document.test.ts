import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { eventSchema, factDataSchemas, signalDataSchemas, webhookBodySchema } from '../api/events.ts';
import { hasBody, operationErrors, operationIds, operations } from '../api/operations.ts';
import { errorCodes, sdpErrorCodes } from '../problem.ts';
import { openApiDocument } from './document.ts';
import { errorsHtml, errorsMarkdown, partialCodes } from './errors-page.ts';
import { examples, factsExample, signalExample } from './examples.ts';

const mediaSchema = z.record(
  z.string(),
  z.object({
    schema: z.unknown(),
    example: z.unknown().optional(),
    examples: z.record(z.string(), z.unknown()).optional(),
  }),
);
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        operationId: z.string(),
        requestBody: z.object({ content: mediaSchema }).optional(),
        responses: z.record(z.string(), z.object({ content: mediaSchema.optional() })),
      }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), z.unknown()), examples: z.record(z.string(), z.unknown()) }),
});
const text = JSON.stringify(openApiDocument());
const document = documentSchema.parse(JSON.parse(text));

/** Every field an example has is one the schema knows. */
function expectExact(schema: z.ZodType, value: unknown): void {
  expect(schema.parse(value)).toEqual(value);
}

describe.each(operationIds)('%s', (id) => {
  const operation = operations[id];
  const documented = document.paths[operation.path]?.[operation.method];

  it('is documented under its id with an example of request, answer and each error', () => {
    expect(documented?.operationId).toBe(id);
    if (hasBody(id)) expect(documented?.requestBody?.content['application/json']?.example).toBeDefined();
    for (const [status, schema] of Object.entries(operation.answers)) {
      const content = documented?.responses[status]?.content;
      if (schema) expect(content?.['application/json']?.example).toBeDefined();
      else expect(content).toBeUndefined();
    }
    for (const code of operationErrors(id)) {
      const response = documented?.responses[String(errorCodes[code].status)];
      expect(response?.content?.['application/problem+json']?.examples).toHaveProperty(code);
      expect(document.components.examples).toHaveProperty(code);
    }
  });

  it('has examples that fit its schemas', () => {
    const { params, request, answers } = examples[id];
    expectExact(operation.params, params);
    operation.body.parse(request);
    expect(answers.map(({ status }) => String(status)).sort()).toEqual(Object.keys(operation.answers).sort());
    for (const answer of answers) {
      const schema = new Map(Object.entries(operation.answers)).get(String(answer.status));
      if (schema) expectExact(schema, answer.body);
      else expect(answer.body).toBeNull();
    }
  });
});

it('every reference leads somewhere, and names are used once', () => {
  const refs = [...text.matchAll(/"\$ref":"#\/components\/([a-z]+)\/([^"]+)"/gi)].map(([, kind, name]) => [kind, name]);
  expect(text.match(/"\$ref"/g)).toHaveLength(refs.length);
  const { components } = z
    .object({ components: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(JSON.parse(text));
  for (const [kind = '', name = ''] of refs) expect(components[kind]).toHaveProperty([name]);
});

it('answers stay open: no closed objects or enums outside of requests', () => {
  const requests = new Set([
    'RoomSpec',
    'CreateRoomRequest',
    'JoinRequest',
    'ResumeRequest',
    'PublishRequest',
    'PublishTrack',
    'SubscribeRequest',
    'SubscribeAnswerRequest',
    'ConsumerSettings',
    'PatchTrackRequest',
  ]);
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    const closed = /"additionalProperties":false|"enum":/.test(JSON.stringify(schema));
    if (!requests.has(name)) expect([name, closed]).toEqual([name, false]);
  }
});

it('webhook examples fit their schemas', () => {
  for (const body of [factsExample, signalExample]) {
    expectExact(webhookBodySchema, body);
    for (const event of body.events) {
      expectExact(eventSchema, event);
      const schema = new Map<string, z.ZodType>(Object.entries({ ...factDataSchemas, ...signalDataSchemas })).get(
        event.type,
      );
      expect(schema?.safeParse(event.data).success).toBe(true);
    }
  }
});

it('the pages of error codes have an anchor for every code an answer may carry', () => {
  for (const code of new Set(operationIds.flatMap((id) => operationErrors(id)))) {
    expect(errorsHtml()).toContain(`id="${code}"`);
    expect(errorsMarkdown()).toContain(`id="${code}"`);
  }
});

it('every code about SDP either refuses a call or a part of it, and the pages say which', () => {
  const refusing = new Set(operationIds.flatMap((id) => operationErrors(id)));
  const isPartial = (code: string) => code in partialCodes;
  expect([...refusing].filter(isPartial)).toEqual([]);
  expect(Object.keys(sdpErrorCodes).filter((code) => !isPartial(code) && !new Set<string>(refusing).has(code))).toEqual(
    [],
  );
  for (const code of Object.keys(sdpErrorCodes)) {
    expect(errorsMarkdown().match(new RegExp(`^.*\`${code}\`.*$`, 'm'))?.[0]).not.toContain('any call');
  }
});
