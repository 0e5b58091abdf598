import type { Abilities, Connections, Flow, InteropClient, Message, Sending } from './client.ts';

/** What a page of any browser can be told: an expression, whose (promised) value is JSON. */
export interface RemotePage {
  evaluate<T>(expression: string): Promise<T>;
}

/** The recipe in a page. */
export class PageClient implements InteropClient {
  readonly #page: RemotePage;

  constructor(page: RemotePage) {
    this.#page = page;
  }

  #do<T>(method: keyof InteropClient, ...args: readonly unknown[]): Promise<T> {
    return this.#page.evaluate<T>(`window.client.${method}(...${JSON.stringify(args)})`);
  }

  join(roomId: string, userId: string, sending: readonly Sending[]): Promise<void> {
    return this.#do('join', roomId, userId, sending);
  }

  send(sending: Sending): Promise<void> {
    return this.#do('send', sending);
  }

  unpublish(source: string): Promise<void> {
    return this.#do('unpublish', source);
  }

  setPaused(source: string, paused: boolean): Promise<void> {
    return this.#do('setPaused', source, paused);
  }

  restartIce(): Promise<void> {
    return this.#do('restartIce');
  }

  restart(): Promise<void> {
    return this.#do('restart');
  }

  received(): Promise<Record<string, Flow>> {
    return this.#do('received');
  }

  sent(): Promise<Record<string, Flow>> {
    return this.#do('sent');
  }

  connections(): Promise<Connections> {
    return this.#do('connections');
  }

  sendMessage(data: unknown): Promise<void> {
    return this.#do('sendMessage', data);
  }

  messages(): Promise<readonly Message[]> {
    return this.#do('messages');
  }

  answer(offer: string): Promise<string> {
    return this.#do('answer', offer);
  }

  abilities(): Promise<Abilities> {
    return this.#do('abilities');
  }

  problems(): Promise<readonly string[]> {
    return this.#do('problems');
  }

  leave(): Promise<void> {
    return this.#do('leave');
  }
}
