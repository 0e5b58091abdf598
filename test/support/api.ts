import { errorCodes, type ErrorCode, type Problem } from '@mediaserver/contracts';

/** An answer of the API that is not 2xx. */
class ApiProblem extends Error {
  readonly status: number;
  readonly body: Problem;

  constructor(call: string, status: number, body: Problem) {
    super(`${call}: ${status} ${body.code} ${body.detail ?? ''}`);
    this.status = status;
    this.body = body;
  }
}

/** Plain calls of the API, as a backend in any language makes them. */
export class Api {
  readonly #url: string;
  readonly #key: string;

  constructor({ apiUrl, apiKey }: { readonly apiUrl: string; readonly apiKey: string }) {
    this.#url = apiUrl;
    this.#key = apiKey;
  }

  /** @returns the parsed body, or null for 204. @throws ApiProblem */
  async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#url}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = text === '' ? null : JSON.parse(text);
    if (!response.ok) throw new ApiProblem(`${method} ${path}`, response.status, answer);
    return answer;
  }

  /** Expects a call to fail. @returns its code and status. */
  async refusal(method: string, path: string, body?: unknown): Promise<{ status: number; code: string }> {
    try {
      await this.call(method, path, body);
    } catch (error) {
      if (error instanceof ApiProblem) return { status: error.status, code: error.body.code };
      throw error;
    }
    throw new Error(`${method} ${path} was expected to fail`);
  }
}

/** What `Api.refusal` gives for a code of the table. */
export const refused = (code: ErrorCode) => ({ status: errorCodes[code].status, code });
