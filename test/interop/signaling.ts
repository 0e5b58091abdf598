/** What a client of yours has to your backend: calls, and a stream of what the backend pushes. */
import type { CallClient } from '../../libs/sdp/recipes/browser.js';

export type Signaling = ConstructorParameters<typeof CallClient>[0];
type Listener = Parameters<Signaling['onOffer']>[0];
export type Offer = Parameters<Listener>[1];

interface SignalingOptions {
  readonly backendUrl: string;
  readonly roomId: string;
  readonly userId: string;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  readonly onError: (error: Error) => void;
}

/** With the one call that clients need that cannot restart ICE. */
export type FullSignaling = Signaling & { readonly restartSubscribe: () => Promise<Offer> };

export function makeSignaling({ backendUrl, roomId, userId, signal, onError }: SignalingOptions): FullSignaling {
  const user = `/v1/rooms/${roomId}/users/${userId}`;
  const call = (method: string, path: string, body?: object) => request(method, backendUrl + path, body);
  return {
    join: (body) => call('POST', `/v1/rooms/${roomId}/users`, { userId, ...body }),
    resume: (body) => call('POST', `${user}/resume`, body),
    publish: (body) => call('PUT', `${user}/publish`, body),
    answer: (body) => call('PUT', `${user}/subscribe/answer`, body),
    restartSubscribe: () => call('POST', `${user}/subscribe/restart`),
    leave: () => call('DELETE', user).catch(onError),
    onOffer: (listener) => {
      listen(`${backendUrl}/offers/${roomId}/${userId}`, signal, listener).catch((error: Error) => {
        if (!signal.aborted) onError(error);
      });
    },
  };
}

async function request(method: string, url: string, body?: object) {
  const response = await fetch(url, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    keepalive: method === 'DELETE',
  });
  const text = await response.text();
  const answer = text === '' ? null : JSON.parse(text);
  if (!response.ok) throw Object.assign(new Error(`${method} ${url}: ${answer.code} ${answer.detail ?? ''}`), answer);
  return answer;
}

async function listen(url: string, signal: AbortSignal, listener: Listener): Promise<void> {
  const response = await fetch(url, { signal });
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let chunk = await reader?.read(); chunk && !chunk.done; chunk = await reader?.read()) {
    const lines = (text + decoder.decode(chunk.value, { stream: true })).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') continue;
      const { sessionId, subscribe } = JSON.parse(line);
      listener(sessionId, subscribe);
    }
  }
}
