/** A line of a process' log, as far as a person at the terminal needs it. */
export interface LogLine {
  readonly serious: boolean;
  readonly text: string;
}

/** Said on every line, or of no use to a reader. */
const HIDDEN_FIELDS = new Set(['level', 'time', 'msg', 'service', 'pid', 'hostname', 'err']);
const SERIOUS_LEVELS = new Set(['warn', 'error', 'fatal']);

/**
 * Our processes write JSON lines; Redis and a crashing Node write plain text.
 * @param serious what to think of a plain line.
 */
export function readLogLine(line: string, serious: boolean): LogLine {
  const entry = parseObject(line);
  if (!entry || typeof entry['msg'] !== 'string') return { serious, text: line };
  const level = typeof entry['level'] === 'string' ? entry['level'] : 'info';
  const fields = Object.entries(entry)
    .filter(([key]) => !HIDDEN_FIELDS.has(key))
    .map(([key, value]) => `${key}=${textOf(value)}`);
  const { err } = entry;
  if (isObject(err)) fields.push(`(${textOf(err['type'])}: ${textOf(err['message'])})`);
  return { serious: SERIOUS_LEVELS.has(level), text: [`${level}:`, entry['msg'], ...fields].join(' ') };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
