import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError, readConfig } from './config.ts';
import { Demo, KEY, makeEvent, SECRET } from './backend.test-support.ts';

let demo: Demo;
beforeEach(async () => {
  demo = new Demo();
  await demo.start();
});
afterEach(() => demo.stop());

describe('joining', () => {
  it('creates the room on the way, spread over nodes, and keeps the API key to itself', async () => {
    const response = await demo.request('POST', '/api/rooms/standup/join', {
      name: '  Anna   Petrova ',
      capabilitiesSdp: 'v=0 capabilities',
      publish: { sdp: 'v=0 offer', tracks: [{ mid: '0', source: 'camera', smuggled: true }] },
    });
    expect(response.status).toBe(201);
    expect(await response.text()).not.toContain(KEY);
    const [asked] = demo.mediaServer.asked;
    expect(asked).toMatchObject({ method: 'POST', path: '/v1/rooms/standup/users', authorization: `Bearer ${KEY}` });
    expect(asked?.body).toMatchObject({
      displayName: 'Anna Petrova',
      room: { placement: { strategy: 'spread' } },
      capabilitiesSdp: 'v=0 capabilities',
      publish: { sdp: 'v=0 offer', tracks: [{ mid: '0', source: 'camera' }] },
    });
    expect(JSON.stringify(asked?.body)).not.toContain('smuggled');
  });

  it('makes a user id the media server takes, whatever the name', async () => {
    const ids = await Promise.all(['Анна', 'Ørsted & Søn', '🙂', 'x'.repeat(64)].map((name) => demo.join(name)));
    for (const { user } of ids) expect(user.userId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._~@+-]{0,63}$/);
    const again = await demo.join('Anna');
    expect((await demo.join('Anna')).user.userId).not.toBe(again.user.userId);
  });

  it('lets a page come back as the same user, and nobody as somebody else', async () => {
    const anna = await demo.join('Anna');
    expect((await demo.join('Anna', { identity: anna.identity })).user.userId).toBe(anna.user.userId);
    const forged = `${anna.user.userId}:${'A'.repeat(43)}`;
    expect((await demo.join('Eve', { identity: forged })).user.userId).not.toBe(anna.user.userId);
  });

  it.each([
    [{ name: '', capabilitiesSdp: 'v=0' }, 'standup'],
    [{ name: 'a\u0000b', capabilitiesSdp: 'v=0' }, 'standup'],
    [{ name: 'x'.repeat(65), capabilitiesSdp: 'v=0' }, 'standup'],
    [{ name: 'Anna', capabilitiesSdp: 1 }, 'standup'],
    [{ name: 'Anna', capabilitiesSdp: 'v=0', publish: { sdp: 'v=0', tracks: [{ mid: '0', source: 'x' }] } }, 'standup'],
    [{ name: 'Anna', capabilitiesSdp: 'v=0' }, 'a:b'],
    [{ name: 'Anna', capabilitiesSdp: 'v=0' }, '..%2F..%2Fv1'],
  ])('refuses %j in %s without asking the media server', async (body, room) => {
    const response = await demo.request('POST', `/api/rooms/${room}/join`, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request' });
    expect(demo.mediaServer.asked).toEqual([]);
  });

  it('leaves for a page that was closed while it joined', async () => {
    const usual = demo.mediaServer.answer;
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    demo.mediaServer.answer = async (asked) => {
      if (asked.path.endsWith('/users')) await held;
      return usual(asked);
    };
    const page = new AbortController();
    const joining = fetch(`${demo.url}/api/rooms/standup/join`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Anna', capabilitiesSdp: 'v=0' }),
      signal: page.signal,
    });
    await vi.waitFor(() => expect(demo.mediaServer.asked).toHaveLength(1));
    page.abort();
    await expect(joining).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    finish();
    await vi.waitFor(() => expect(demo.mediaServer.asked.at(-1)).toMatchObject({ method: 'DELETE' }));
  });
});

describe('webhooks', () => {
  const joined = () => makeEvent('user.joined', { user: { userId: 'boris', sessionId: 's' } });

  it('are refused and without effect where the signature is wrong, old, or missing', async () => {
    const { stream } = await demo.page('Anna');
    const wrong = await demo.webhook([joined()], { secret: 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' });
    const old = await demo.webhook([joined()], { at: new Date(Date.now() - 3_600_000) });
    const bare = await demo.request('POST', '/webhooks', { events: [joined()] });
    expect([wrong.status, old.status, bare.status]).toEqual([401, 401, 401]);
    // What comes after them is the first thing the page sees.
    const good = joined();
    expect((await demo.webhook([good])).status).toBe(204);
    expect(await stream.has('fact')).toMatchObject({ id: good.id });
  });

  it('are refused as a whole where they are signed but not events', async () => {
    const { stream } = await demo.page('Anna');
    const answers = [
      await demo.webhook(null, { body: 'not json' }),
      await demo.webhook({}),
      await demo.webhook([joined(), { id: 1 }]),
      await demo.webhook(null, { body: '' }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
    expect((await demo.webhook(null, { body: JSON.stringify('x'.repeat(9 * 1024 * 1024)) })).status).toBe(413);
    expect(stream.of('fact')).toEqual([]);
  });

  it('bring facts to all pages of the room, once, and not to another life of it', async () => {
    const [anna, boris] = [await demo.page('Anna'), await demo.page('Boris')];
    const first = joined();
    await demo.webhook([first, makeEvent('user.joined', {}, { roomSessionId: 'life-0' })]);
    const second = makeEvent('producer.paused', { track: {} });
    await demo.webhook([first, makeEvent('type.of.tomorrow', {}), second]);
    for (const { stream } of [anna, boris]) {
      await stream.has('fact', 2);
      expect(stream.of('fact')).toMatchObject([{ id: first.id }, { id: second.id }]);
    }
  });

  it('bring an offer to the page of its session only', async () => {
    const [anna, boris] = [await demo.page('Anna'), await demo.page('Boris')];
    const offer = { negotiationId: 'n1', sdp: 'v=0', revision: 2 };
    await demo.webhook([makeEvent('subscribe.offer', { sessionId: anna.user.sessionId, subscribe: offer })]);
    expect(await anna.stream.has('offer')).toEqual(offer);
    await demo.webhook([joined()]);
    await boris.stream.has('fact');
    expect(boris.stream.of('offer')).toEqual([]);
  });

  it('end the session that left, with its reason, and leave the others', async () => {
    const [anna, boris] = [await demo.page('Anna'), await demo.page('Boris')];
    await demo.webhook([makeEvent('user.left', { sessionId: anna.user.sessionId, reason: 'replaced' })]);
    expect(await anna.stream.has('ended')).toEqual({ reason: 'replaced' });
    expect((await demo.request('GET', '/api/offer', undefined, anna.token)).status).toBe(401);
    expect(await boris.stream.has('fact')).toMatchObject({ type: 'user.left' });
    expect((await demo.request('GET', '/api/offer', undefined, boris.token)).status).toBe(200);
  });

  it('end every session of a room that closed', async () => {
    const [anna, boris] = [await demo.page('Anna'), await demo.page('Boris')];
    await demo.webhook([makeEvent('room.closed', { reason: 'empty' }, { roomSessionId: 'life-0' })]);
    await demo.webhook([makeEvent('room.closed', { reason: 'deleted' })]);
    for (const { stream } of [anna, boris]) expect(await stream.has('ended')).toEqual({ reason: 'room_closed' });
  });
});

describe('a page', () => {
  it('gets the state of the room first, and then what happened while it was read', async () => {
    const { token } = await demo.join('Anna');
    const usual = demo.mediaServer.answer;
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    demo.mediaServer.answer = async (asked) => {
      if (asked.path === '/v1/rooms/standup') await held;
      return usual(asked);
    };
    const opening = demo.listen(token);
    await vi.waitFor(() => expect(demo.mediaServer.asked.at(-1)?.path).toBe('/v1/rooms/standup'));
    await demo.webhook([makeEvent('user.joined', {})]);
    finish();
    const stream = await opening;
    await stream.has('fact');
    expect(stream.events.map(({ type }) => type)).toEqual(['room', 'fact']);
  });

  it('can do nothing without its token, and nothing to others with it', async () => {
    const [anna, boris] = [await demo.join('Anna'), await demo.join('Boris')];
    const calls: [string, string, unknown][] = [
      ['GET', '/api/events', undefined],
      ['GET', '/api/offer', undefined],
      ['PUT', '/api/answer', { negotiationId: 'n', sdp: 'v=0' }],
      ['PUT', '/api/publish', { sdp: 'v=0', tracks: [] }],
      ['PUT', `/api/tracks/${boris.user.userId}:camera/muted`, { muted: true }],
    ];
    const before = demo.mediaServer.asked.length;
    for (const [method, path, body] of calls) {
      for (const token of [undefined, 'x', boris.user.sessionId, anna.identity]) {
        expect((await demo.request(method, path, body, token)).status).toBe(401);
      }
    }
    const muting = await demo.request(
      'PUT',
      `/api/tracks/${boris.user.userId}:camera/muted`,
      { muted: true },
      anna.token,
    );
    expect(muting.status).toBe(400);
    expect((await demo.request('POST', '/api/leave', { token: boris.user.sessionId })).status).toBe(204);
    expect(demo.mediaServer.asked).toHaveLength(before);
  });

  it('acts for its own session', async () => {
    const { token, user } = await demo.join('Anna');
    const path = `/v1/rooms/standup/users/${user.userId}`;
    await demo.request('PUT', '/api/publish', { sdp: 'v=0', tracks: [{ mid: '0', source: 'screen' }] }, token);
    expect(demo.mediaServer.asked.at(-1)).toMatchObject({
      method: 'PUT',
      path: `${path}/publish?sessionId=${user.sessionId}`,
    });
    await demo.request(
      'PUT',
      `/api/tracks/${encodeURIComponent(`${user.userId}:camera`)}/muted`,
      { muted: true },
      token,
    );
    expect(demo.mediaServer.asked.at(-1)).toMatchObject({ method: 'PATCH', body: { muted: true, by: 'user' } });
    expect(await (await demo.request('GET', '/api/offer', undefined, token)).json()).toBeNull();
    await demo.request('POST', '/api/leave', { token });
    expect(demo.mediaServer.asked.at(-1)).toMatchObject({
      method: 'DELETE',
      path: `${path}?sessionId=${user.sessionId}&reason=left`,
    });
    expect((await demo.request('GET', '/api/offer', undefined, token)).status).toBe(401);
  });

  it('reads the problems of the media server, but never sees one with the API key', async () => {
    const { token } = await demo.join('Anna');
    const problem = { type: '/docs', title: 'Too late', status: 409, code: 'stale_negotiation', retryable: false };
    demo.mediaServer.answer = () => ({ status: 409, body: problem });
    const stale = await demo.request('PUT', '/api/answer', { negotiationId: 'n', sdp: 'v=0' }, token);
    expect(stale.status).toBe(409);
    expect(stale.headers.get('content-type')).toContain('application/problem+json');
    expect(await stale.json()).toEqual(problem);

    demo.mediaServer.answer = () => ({ status: 401, body: { code: 'unauthorized', title: 'no' } });
    const refused = await demo.request('GET', '/api/offer', undefined, token);
    expect([refused.status, await refused.json()]).toMatchObject([502, { code: 'api_key_refused', retryable: false }]);

    demo.mediaServer.answer = () => ({ status: 503, body: '<html>' });
    expect(await (await demo.request('GET', '/api/offer', undefined, token)).json()).toMatchObject({ retryable: true });

    demo.mediaServer.stop();
    const gone = await demo.request('GET', '/api/offer', undefined, token);
    expect([gone.status, await gone.json()]).toMatchObject([
      502,
      { code: 'media_server_unreachable', retryable: true },
    ]);
  });

  it('comes with a strict content security policy, and without scripts in it', async () => {
    const response = await demo.request('GET', '/');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self';");
    const html = await response.text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|\son[a-z]+=|style=|https?:\/\//);
  });

  it('gets an answer it can read for what is not there or not JSON', async () => {
    expect(await (await demo.request('GET', '/api/nothing')).json()).toMatchObject({ code: 'not_found' });
    const broken = await fetch(`${demo.url}/api/leave`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    expect([broken.status, await broken.json()]).toMatchObject([400, { code: 'invalid_request' }]);
  });
});

describe('the configuration', () => {
  it('has defaults for all but the webhook secret', () => {
    expect(readConfig({ WEBHOOK_SECRET: SECRET })).toEqual({
      host: '127.0.0.1',
      port: 3010,
      apiUrl: 'http://127.0.0.1:3000',
      apiKey: 'dev-key',
      webhookSecret: SECRET,
    });
  });

  it.each([
    [{}, 'WEBHOOK_SECRET'],
    [{ WEBHOOK_SECRET: 'whsec_%%%' }, 'WEBHOOK_SECRET'],
    [{ WEBHOOK_SECRET: SECRET, DEMO_PORT: '80a' }, 'DEMO_PORT'],
    [{ WEBHOOK_SECRET: SECRET, API_URL: 'media:3000' }, 'API_URL'],
  ])('names what is wrong in %j', (env, setting) => {
    expect(() => readConfig(env)).toThrow(ConfigError);
    expect(() => readConfig(env)).toThrow(setting);
  });
});
