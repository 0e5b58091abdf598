import { z } from 'zod';
import { eventListSchema, eventSchema, factDataSchemas, signalDataSchemas, webhookBodySchema } from '../api/events.ts';
import {
  answeredSectionSchema,
  consumerSettingsSchema,
  consumerViewSchema,
  dataChannelSchema,
  patchTrackRequestSchema,
  publishRequestSchema,
  publishResultSchema,
  publishSectionSchema,
  publishTrackSchema,
  subscribeAnswerRequestSchema,
  subscribeAnswerResultSchema,
  subscribeOfferSchema,
  subscribeRequestSchema,
  subscribeResultSchema,
  subscribeTrackSchema,
  trackStateSchema,
} from '../api/media.ts';
import { nodeListSchema, nodeSchema } from '../api/nodes.ts';
import { roomSpecSchema } from '../api/room-spec.ts';
import {
  createRoomRequestSchema,
  roomListSchema,
  roomNodeSchema,
  roomSchema,
  roomSummarySchema,
} from '../api/rooms.ts';
import {
  iceServerSchema,
  joinRequestSchema,
  joinResultSchema,
  resumeRequestSchema,
  sessionSchema,
  userViewSchema,
} from '../api/users.ts';
import { metadataSchema } from '../identifiers.ts';
import { problemSchema } from '../problem.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What callers send: closed objects, every limit stated. */
const requests = {
  RoomSpec: roomSpecSchema,
  CreateRoomRequest: createRoomRequestSchema,
  JoinRequest: joinRequestSchema,
  ResumeRequest: resumeRequestSchema,
  PublishRequest: publishRequestSchema,
  PublishTrack: publishTrackSchema,
  SubscribeRequest: subscribeRequestSchema,
  SubscribeAnswerRequest: subscribeAnswerRequestSchema,
  ConsumerSettings: consumerSettingsSchema,
  PatchTrackRequest: patchTrackRequestSchema,
};

/** What callers receive: objects may gain fields and enums values, so both stay open. */
const answers = {
  Room: roomSchema,
  RoomSummary: roomSummarySchema,
  RoomList: roomListSchema,
  RoomNode: roomNodeSchema,
  User: userViewSchema,
  Session: sessionSchema,
  JoinResult: joinResultSchema,
  IceServer: iceServerSchema,
  PublishResult: publishResultSchema,
  PublishSection: publishSectionSchema,
  SubscribeOffer: subscribeOfferSchema,
  SubscribeTrack: subscribeTrackSchema,
  DataChannel: dataChannelSchema,
  SubscribeResult: subscribeResultSchema,
  SubscribeAnswerResult: subscribeAnswerResultSchema,
  AnsweredSection: answeredSectionSchema,
  Consumer: consumerViewSchema,
  Track: trackStateSchema,
  Node: nodeSchema,
  NodeList: nodeListSchema,
  Event: eventSchema,
  EventList: eventListSchema,
  WebhookBody: webhookBodySchema,
  Problem: problemSchema,
  ...Object.fromEntries(
    Object.entries({ ...factDataSchemas, ...signalDataSchemas }).map(([type, schema]) => [eventDataName(type), schema]),
  ),
};

/** `user.joined` → `UserJoinedData` */
export function eventDataName(type: string): string {
  const words = type.split(/[.-]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Data`;
}

const refTo = (name: string): string => `#/components/schemas/${name}`;

function registryOf(schemas: Readonly<Record<string, z.ZodType>>) {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  return registry;
}

const requestRegistry = registryOf(requests);
const answerRegistry = registryOf(answers);

type Override = NonNullable<z.core.ToJSONSchemaParams['override']>;

/** JSON cannot say "any JSON" more briefly than this. */
const overrideRequest: Override = ({ zodSchema, jsonSchema }) => {
  if (zodSchema !== metadataSchema) return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  jsonSchema.type = 'object';
  jsonSchema.additionalProperties = true;
  jsonSchema.description = "The caller's own data: any JSON object of at most 4096 characters";
};

/** Limits on what we send ourselves are nobody's business, and a client must survive what is new. */
const overrideAnswer: Override = (context) => {
  overrideRequest(context);
  const { jsonSchema } = context;
  if (jsonSchema.enum) {
    jsonSchema['x-known-values'] = jsonSchema.enum;
    delete jsonSchema.enum;
  }
  if (typeof jsonSchema.additionalProperties !== 'boolean' || !jsonSchema.additionalProperties) {
    delete jsonSchema.additionalProperties;
  }
  for (const limit of ['default', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'minItems', 'maxItems']) {
    delete jsonSchema[limit];
  }
};

/** @returns every named schema, for `components.schemas`. */
export function componentSchemas(): Record<string, JsonSchema> {
  const uri = refTo;
  const named = {
    ...z.toJSONSchema(requestRegistry, { io: 'input', uri, override: overrideRequest }).schemas,
    ...z.toJSONSchema(answerRegistry, { io: 'output', uri, override: overrideAnswer }).schemas,
  };
  // Recursive JSON is written where metadata is overridden, and referred to from nowhere else.
  return Object.fromEntries(
    Object.entries(named)
      .filter(([name]) => name !== '__shared')
      .map(([name, { $schema: _dialect, $id: _uri, ...schema }]) => [name, schema]),
  );
}

/** @returns a reference to a named schema. @throws Error if it has no name. */
export function schemaRef(schema: z.ZodType): { $ref: string } {
  const name = requestRegistry.get(schema)?.id ?? answerRegistry.get(schema)?.id;
  if (name === undefined) throw new Error('a body must be one of the named schemas');
  return { $ref: refTo(name) };
}

/** @returns the schema of a parameter, written in place. */
export function inlineSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: 'input' });
  return json;
}
