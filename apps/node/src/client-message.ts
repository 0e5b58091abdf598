import {
  clientMessageSchema,
  MAX_DATA_MESSAGE_BYTES,
  type ClientMessage,
  type DataMessage,
  type MessageError,
} from '@mediaserver/contracts';

/** SCTP payload protocol identifier of text (RFC 8831 §8). */
const PPID_TEXT = 51;
/** Arrays and objects inside each other; deeper ones could exhaust the stack of whoever reads them. */
const MAX_DEPTH = 64;

const decoder = new TextDecoder('utf-8', { fatal: true });

type ErrorCode = MessageError['error']['code'];

/** What a client sent. `id` is the message's own, if it could be read; `bytes` is the size as delivered. */
export type ReadMessage =
  | {
      readonly ok: true;
      readonly id: string | null;
      readonly to: ClientMessage['to'];
      readonly message: DataMessage;
      readonly bytes: number;
    }
  | { readonly ok: false; readonly id: string | null; readonly code: ErrorCode; readonly detail: string };

/**
 * Reads one message of a data channel. The cost is bounded: the size is looked at first.
 *
 * @param ppid as it came by SCTP; tells text from binary
 * @param from userId of the sender
 */
export function readClientMessage(payload: Uint8Array, ppid: number, from: string): ReadMessage {
  const refuse = (code: ErrorCode, detail: string, id: string | null = null) =>
    ({ ok: false, id, code, detail }) as const;
  if (payload.length > MAX_DATA_MESSAGE_BYTES) return refuse('message_too_large', tooLarge(payload.length));
  if (ppid !== PPID_TEXT) return refuse('invalid_message', 'A message is a string of JSON, not binary');
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    return refuse('invalid_message', 'The message is not JSON');
  }
  const id = idOf(value);
  if (isDeeperThan(value, MAX_DEPTH)) return refuse('invalid_message', `JSON is nested over ${MAX_DEPTH} levels`, id);
  const parsed = clientMessageSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse('invalid_message', `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not usable'}`, id);
  }
  const message = { from, data: parsed.data.data };
  // Numbers may grow: 1e20 is written out in full.
  const bytes = Buffer.byteLength(JSON.stringify(message));
  if (bytes > MAX_DATA_MESSAGE_BYTES) return refuse('message_too_large', tooLarge(bytes), id);
  return { ok: true, id, to: parsed.data.to, message, bytes };
}

function tooLarge(bytes: number): string {
  return `The message has ${bytes} bytes; ${MAX_DATA_MESSAGE_BYTES} are allowed, as sent and as delivered`;
}

function idOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('id' in value)) return null;
  const parsed = clientMessageSchema.shape.id.safeParse(value.id);
  return parsed.data ?? null;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}
