import { readConfig } from '../../apps/coordinator/src/config.ts';
import { CoordinatorService } from '../../apps/coordinator/src/service.ts';
import { joinResultSchema } from '@mediaserver/contracts';
import { createLogger } from '@mediaserver/telemetry';

const KEY = 'dev-key';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A coordinator in this process, on free ports, with the lines it logs. */
export class TestCoordinator {
  readonly service: CoordinatorService;
  readonly log: readonly string[];

  private constructor(service: CoordinatorService, log: readonly string[]) {
    this.service = service;
    this.log = log;
  }

  static async start(environment: Readonly<Record<string, string>>): Promise<TestCoordinator> {
    const log: string[] = [];
    const config = readConfig({ API_PORT: '0', OPS_PORT: '0', ...environment });
    const logger = createLogger('coordinator', 'debug', { write: (line: string) => void log.push(line) });
    return new TestCoordinator(await CoordinatorService.start(config, logger), log);
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.service.apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  }

  /** Joins and returns the session id. */
  async join(roomId: string, userId: string, more: object = {}): Promise<string> {
    const answer = await this.call('POST', `/v1/rooms/${roomId}/users`, { userId, ...more });
    if (answer.status !== 201) throw new Error(`join: ${JSON.stringify(answer.body)}`);
    return joinResultSchema.parse(answer.body).user.sessionId;
  }
}
