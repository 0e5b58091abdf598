import {
  eventListSchema,
  joinResultSchema,
  nodeListSchema,
  ProblemError,
  problemSchema,
  roomListSchema,
  roomSchema,
  userViewSchema,
  type ErrorCode,
} from '@mediaserver/contracts';
import { ControlClient } from '@mediaserver/control';
import { Registry } from '@mediaserver/registry';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestCoordinator, type Answer } from '../support/coordinator-harness.ts';
import { FakeNode, makeOffer } from '../support/fake-node.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';

let redis: RedisServer;
let node1: FakeNode;
let node2: FakeNode;
let api: TestCoordinator;

beforeAll(async () => {
  redis = await startRedis();
  [node1, node2] = await Promise.all([FakeNode.start('node-1', redis.url), FakeNode.start('node-2', redis.url)]);
  api = await TestCoordinator.start({ REDIS_URL: redis.url });
});
afterAll(async () => {
  await api.service.close();
  await Promise.all([node1.stop(), node2.stop()]);
  await redis.stop();
});

const PUBLISH = { sdp: 'v=0\r\n', tracks: [{ mid: '0', source: 'microphone' }] };

let counter = 0;
function freshRoom(): string {
  counter += 1;
  return `room-${counter}`;
}

function nodeOf(nodeId: string): FakeNode {
  return nodeId === 'node-1' ? node1 : node2;
}

async function readRoom(roomId: string) {
  return roomSchema.parse((await api.call('GET', `/v1/rooms/${roomId}`)).body);
}

async function eventTypes(roomId: string, query = '') {
  const { body } = await api.call('GET', `/v1/rooms/${roomId}/events${query}`);
  return eventListSchema.parse(body).events.map((event) => event.type);
}

function expectProblem(answer: Answer, status: number, code: ErrorCode) {
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body: { code, status } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  const problem = problemSchema.parse(answer.body);
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'));
  return problem;
}

describe('rooms', () => {
  it('creates a room once; the same specification again returns it, another is refused by field', async () => {
    const roomId = freshRoom();
    const first = await api.call('POST', '/v1/rooms', { roomId, maxUsers: 5 });
    expect(first.status).toBe(201);
    const room = roomSchema.parse(first.body);
    expect(room).toMatchObject({ roomId, users: [], tracks: [], lastSeq: 1, state: 'open' });
    const again = await api.call('POST', '/v1/rooms', { roomId, maxUsers: 5 });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ roomSessionId: room.roomSessionId });
    const other = await api.call('POST', '/v1/rooms', { roomId, maxUsers: 6, graceSeconds: 1 });
    expect(expectProblem(other, 409, 'room_spec_conflict').detail).toBe(
      'the room exists with another maxUsers, graceSeconds',
    );
  });

  it('one of many concurrent creates wins', async () => {
    const roomId = freshRoom();
    const answers = await Promise.all(Array.from({ length: 10 }, () => api.call('POST', '/v1/rooms', { roomId })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9);
    expect(new Set(answers.map(({ body }) => roomSchema.parse(body).roomSessionId)).size).toBe(1);
  });

  it('names a room for a caller that does not', async () => {
    const { status, body } = await api.call('POST', '/v1/rooms', {});
    expect(status).toBe(201);
    expect(roomSchema.parse(body).roomId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('lists page by page', async () => {
    const ids = [freshRoom(), freshRoom(), freshRoom()];
    for (const roomId of ids) await api.call('POST', '/v1/rooms', { roomId });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor === '' ? '?limit=2' : `?limit=2&cursor=${encodeURIComponent(cursor)}`;
      const page = roomListSchema.parse((await api.call('GET', `/v1/rooms${query}`)).body);
      seen.push(...page.rooms.map((room) => room.roomId));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(expect.arrayContaining(ids));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('closes the life that is named and no other, and tells the nodes', async () => {
    const roomId = freshRoom();
    const sessionId = await api.join(roomId, 'anna', { room: {} });
    const { roomSessionId, nodes } = await readRoom(roomId);
    const other = await api.call('DELETE', `/v1/rooms/${roomId}?roomSessionId=other`);
    expectProblem(other, 409, 'room_session_mismatch');
    expect((await readRoom(roomId)).users).toHaveLength(1);

    const closed = await api.call('DELETE', `/v1/rooms/${roomId}?roomSessionId=${roomSessionId}`);
    expect([closed.status, closed.body]).toEqual([204, '']);
    expectProblem(await api.call('GET', `/v1/rooms/${roomId}`), 404, 'room_not_found');
    expectProblem(await api.call('DELETE', `/v1/rooms/${roomId}`), 404, 'room_not_found');
    const host = nodeOf(nodes[0]?.nodeId ?? '');
    await vi.waitFor(() => expect(host.sessions.has(sessionId)).toBe(false));
    expect(await eventTypes(roomId, `?roomSessionId=${roomSessionId}`)).toEqual([
      'room.created',
      'user.joined',
      'user.left',
      'room.closed',
    ]);
  });

  it('closes a room nobody came to, after its empty timeout', async () => {
    const roomId = freshRoom();
    await api.call('POST', '/v1/rooms', { roomId, emptyTimeoutSeconds: 1 });
    await vi.waitFor(async () => expect((await api.call('GET', `/v1/rooms/${roomId}`)).status).toBe(404), 10_000);
  });
});

describe('joining and leaving', () => {
  it('creates the room with the first join and passes everything to the node', async () => {
    const roomId = freshRoom();
    const answer = await api.call('POST', `/v1/rooms/${roomId}/users`, {
      userId: 'anna',
      deviceId: 'phone',
      displayName: 'Anna',
      metadata: { role: 'host', list: [], nothing: {} },
      capabilitiesSdp: 'v=0 capabilities',
      room: { maxUsers: 7 },
      publish: PUBLISH,
    });
    expect(answer.status).toBe(201);
    const joined = joinResultSchema.parse(answer.body);
    expect(joined).toMatchObject({
      user: { userId: 'anna', deviceId: 'phone', displayName: 'Anna', state: 'joined', roomId },
      publish: { generation: 1 },
      subscribe: null,
      lastSeq: 2,
    });
    expect(joined.user.metadata).toEqual({ role: 'host', list: [], nothing: {} });
    expect(answer.body).not.toHaveProperty('user.bootId');
    const sent = nodeOf(joined.user.nodeId).sessions.get(joined.user.sessionId);
    expect(sent).toMatchObject({
      room: { roomId, spec: { maxUsers: 7 } },
      members: [],
      session: { ordinal: 1, subscribe: 'all' },
      capabilitiesSdp: 'v=0 capabilities',
      publish: PUBLISH,
    });
    expect(await eventTypes(roomId)).toEqual(['room.created', 'user.joined']);
  });

  it('spreads users over nodes where the room asks for it, and tells each node of the others', async () => {
    const roomId = freshRoom();
    const room = { placement: { strategy: 'spread' } };
    const first = await api.join(roomId, 'anna', { room });
    const second = await api.join(roomId, 'boris', { room });
    const view = await readRoom(roomId);
    expect(view.nodes.map(({ role }) => role).sort()).toEqual(['edge', 'home']);
    const [host, other] = node1.sessions.has(first) ? [node1, node2] : [node2, node1];
    const { nodeId, bootId, controlUrl } = host.descriptor;
    expect(other.sessions.get(second)?.members).toEqual([{ nodeId, bootId, controlUrl }]);
    expect(view.users.map(({ userId }) => userId)).toEqual(['anna', 'boris']);
  });

  it('replaces the earlier device, whose late calls then have no effect', async () => {
    const roomId = freshRoom();
    const old = await api.join(roomId, 'anna', { room: {} });
    const current = await api.join(roomId, 'anna');
    const { body } = await api.call('GET', `/v1/rooms/${roomId}/users/anna`);
    expect(userViewSchema.parse(body).sessions.map(({ sessionId }) => sessionId)).toEqual([current]);

    const user = `/v1/rooms/${roomId}/users/anna`;
    const late = [
      await api.call('DELETE', `${user}?sessionId=${old}`),
      await api.call('PUT', `${user}/publish?sessionId=${old}`, PUBLISH),
      await api.call('POST', `${user}/subscribe?sessionId=${old}`, { add: [] }),
      await api.call('GET', `${user}/subscribe/offer?sessionId=${old}`),
      await api.call('PUT', `${user}/subscribe/answer?sessionId=${old}`, { negotiationId: 'n', sdp: 'v=0' }),
    ];
    for (const answer of late) expectProblem(answer, 409, 'stale_session');
    expect((await readRoom(roomId)).users.map(({ sessionId }) => sessionId)).toEqual([current]);
    expect(await eventTypes(roomId)).toEqual(['room.created', 'user.joined', 'user.joined', 'user.left']);
  });

  it('refuses a second device where the room says so, and lets the same device in again', async () => {
    const roomId = freshRoom();
    const room = { onSecondDevice: 'refuse' };
    await api.join(roomId, 'anna', { room, deviceId: 'phone' });
    const second = await api.call('POST', `/v1/rooms/${roomId}/users`, { userId: 'anna', deviceId: 'tablet' });
    expectProblem(second, 409, 'second_device_refused');
    await api.join(roomId, 'anna', { deviceId: 'phone' });
    expect((await readRoom(roomId)).users).toHaveLength(1);
  });

  it('addresses each of several devices where the room allows them', async () => {
    const roomId = freshRoom();
    const phone = await api.join(roomId, 'anna', { room: { onSecondDevice: 'allow' } });
    const tablet = await api.join(roomId, 'anna');
    const user = `/v1/rooms/${roomId}/users/anna`;
    expect((await api.call('PUT', `${user}/publish?sessionId=${phone}`, PUBLISH)).status).toBe(200);
    expect((await api.call('DELETE', user)).status).toBe(204);
    const { users } = await readRoom(roomId);
    expect(users.map(({ sessionId }) => sessionId)).toEqual([phone]);
    expect(tablet).not.toBe(phone);
  });

  it('refuses a user over maxUsers', async () => {
    const roomId = freshRoom();
    await api.join(roomId, 'anna', { room: { maxUsers: 1 } });
    expectProblem(await api.call('POST', `/v1/rooms/${roomId}/users`, { userId: 'boris' }), 409, 'room_full');
  });

  it('tells why a user left', async () => {
    const roomId = freshRoom();
    await api.join(roomId, 'anna', { room: {} });
    expect((await api.call('DELETE', `/v1/rooms/${roomId}/users/anna?reason=kicked`)).status).toBe(204);
    const { body } = await api.call('GET', `/v1/rooms/${roomId}/events?after=2`);
    expect(eventListSchema.parse(body).events).toMatchObject([{ type: 'user.left', data: { reason: 'kicked' } }]);
    expectProblem(await api.call('DELETE', `/v1/rooms/${roomId}/users/anna`), 404, 'user_not_found');
  });

  it("a refused SDP leaves no session behind, and the node's code and mid are passed on", async () => {
    const roomId = freshRoom();
    await api.call('POST', '/v1/rooms', { roomId });
    for (const node of [node1, node2]) {
      node.on('session.create', () => Promise.reject(new ProblemError('missing_fingerprint', 'no fingerprint', '1')));
    }
    try {
      const answer = await api.call('POST', `/v1/rooms/${roomId}/users`, { userId: 'anna', publish: PUBLISH });
      expect(expectProblem(answer, 422, 'missing_fingerprint')).toMatchObject({ mid: '1', detail: 'no fingerprint' });
    } finally {
      for (const node of [node1, node2]) node.on('session.create');
    }
    expect(await readRoom(roomId)).toMatchObject({ users: [], lastSeq: 1 });
    expectProblem(await api.call('GET', `/v1/rooms/${roomId}/users/anna`), 404, 'user_not_found');
  });

  it('asks once more under the same key when an answer is lost, and adopts the first effect', async () => {
    const roomId = freshRoom();
    await api.call('POST', '/v1/rooms', { roomId });
    const home = nodeOf((await readRoom(roomId)).nodes[0]?.nodeId ?? '');
    const before = home.count('session.create');
    home.on('session.create', async (params) => {
      const lastSeq = await home.commit(params, { op: 'session.joined' });
      home.sessions.set(params.session.sessionId, params);
      // The first answer comes too late, the repetition adopts it.
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      return { publish: null, subscribe: null, lastSeq };
    });
    const answer = await api.call('POST', `/v1/rooms/${roomId}/users`, { userId: 'anna' });
    home.on('session.create');
    expect(answer.status).toBe(201);
    expect(home.count('session.create') - before).toBe(2);
    expect((await readRoom(roomId)).users).toHaveLength(1);
    expect(await eventTypes(roomId)).toEqual(['room.created', 'user.joined']);
  });
});

describe('media calls', () => {
  it('reach the session on its node', async () => {
    const roomId = freshRoom();
    const sessionId = await api.join(roomId, 'anna', { room: {} });
    const host = nodeOf((await readRoom(roomId)).users[0]?.nodeId ?? '');
    const user = `/v1/rooms/${roomId}/users/anna`;
    expect((await api.call('PUT', `${user}/publish`, PUBLISH)).body).toMatchObject({ generation: 1 });
    expect((await api.call('POST', `${user}/subscribe`, { add: ['boris:camera'] })).body).toEqual({ offer: null });

    const nothing = await api.call('GET', `${user}/subscribe/offer`);
    expect([nothing.status, nothing.body]).toEqual([204, '']);
    const early = await api.call('PUT', `${user}/subscribe/answer`, { negotiationId: 'n-1', sdp: 'v=0' });
    expectProblem(early, 409, 'no_negotiation');
    host.offers.set(sessionId, makeOffer(1));
    expect((await api.call('GET', `${user}/subscribe/offer`)).body).toEqual(makeOffer(1));
    const wrong = await api.call('PUT', `${user}/subscribe/answer`, { negotiationId: 'n-0', sdp: 'v=0' });
    expectProblem(wrong, 409, 'stale_negotiation');
    const answer = await api.call('PUT', `${user}/subscribe/answer`, { negotiationId: 'n-1', sdp: 'v=0' });
    expect(answer.body).toEqual({ next: null, sections: [] });
    expectProblem(await api.call('PUT', `${user}/publish`, { sdp: 'garbage' }), 422, 'malformed_sdp');
  });

  it('resume, restart and settings of a consumer reach the session', async () => {
    const roomId = freshRoom();
    const sessionId = await api.join(roomId, 'anna', { room: {} });
    const host = nodeOf((await readRoom(roomId)).users[0]?.nodeId ?? '');
    await host.createTrack(sessionId, 'screen');
    const user = `/v1/rooms/${roomId}/users/anna`;
    const resumed = await api.call('POST', `${user}/resume`, { sessionId, reset: 'all', publish: PUBLISH });
    expect(resumed.status).toBe(200);
    expect(resumed.body).toMatchObject({
      user: { sessionId },
      publish: { sdp: 'v=0 answer' },
      subscribe: makeOffer(1),
      lastSeq: 3,
    });
    expect((await api.call('POST', `${user}/subscribe/restart`)).body).toEqual(makeOffer(2));
    const settings = { paused: true, preferredLayers: { spatial: 0 }, priority: 7 };
    const consumer = `${user}/consumers/anna:screen`;
    expect((await api.call('PATCH', consumer, settings)).body).toMatchObject(settings);

    expectProblem(await api.call('POST', `${user}/resume`, { sessionId: 'old' }), 409, 'stale_session');
    expectProblem(await api.call('POST', `${user}/resume`, {}), 400, 'invalid_request');
    expectProblem(await api.call('PATCH', consumer, { priority: 0 }), 400, 'invalid_request');
    expectProblem(await api.call('PATCH', `${user}/consumers/anna:unknown`, {}), 404, 'track_not_found');
    await api.call('DELETE', user);
    expectProblem(await api.call('POST', `${user}/resume`, { sessionId }), 404, 'session_gone');
  });

  it('mute a track by its id', async () => {
    const roomId = freshRoom();
    const sessionId = await api.join(roomId, 'anna', { room: {} });
    const host = nodeOf((await readRoom(roomId)).users[0]?.nodeId ?? '');
    await host.createTrack(sessionId, 'microphone');
    const path = `/v1/rooms/${roomId}/tracks/anna:microphone`;
    const muted = await api.call('PATCH', path, { muted: true, by: 'moderator' });
    expect(muted.body).toMatchObject({ trackId: 'anna:microphone', paused: true, mutedByModerator: true });
    expect((await api.call('PATCH', path.replace(':m', '%3Am'), { muted: false })).status).toBe(200);
    const unknown = await api.call('PATCH', `/v1/rooms/${roomId}/tracks/anna:camera`, { muted: true });
    expectProblem(unknown, 404, 'track_not_found');
  });
});

describe('bad input', () => {
  const big = JSON.stringify({ userId: 'anna', publish: { sdp: `v=0${'x'.repeat(1_400_000)}` } });
  const deep = `{"userId":"anna","metadata":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`;
  const json = { 'content-type': 'application/json' };
  const anonymous = { authorization: '' };
  const cases: [string, string, string, unknown, Record<string, string>, number, ErrorCode][] = [
    ['no key', 'GET', '/v1/rooms', undefined, anonymous, 401, 'unauthorized'],
    ['a wrong key', 'GET', '/v1/rooms', undefined, { authorization: 'Bearer dev-kez' }, 401, 'unauthorized'],
    ['another scheme', 'GET', '/v1/rooms', undefined, { authorization: 'Basic dev-key' }, 401, 'unauthorized'],
    ['no key, big body', 'POST', '/v1/rooms', big, { ...anonymous, ...json }, 401, 'unauthorized'],
    ['no key, unknown route', 'GET', '/v1/nope', undefined, anonymous, 401, 'unauthorized'],
    ['an unknown route', 'GET', '/v1/nope', undefined, {}, 404, 'not_found'],
    ['an unknown method', 'PUT', '/v1/rooms', {}, {}, 405, 'method_not_allowed'],
    ['an unknown room', 'GET', '/v1/rooms/nope', undefined, {}, 404, 'room_not_found'],
    ['an unknown room to join', 'POST', '/v1/rooms/nope/users', { userId: 'anna' }, {}, 404, 'room_not_found'],
    ['an unknown user', 'GET', '/v1/rooms/bad/users/nope', undefined, {}, 404, 'user_not_found'],
    ['an unknown user leaves', 'DELETE', '/v1/rooms/bad/users/nope', undefined, {}, 404, 'user_not_found'],
    ['an unknown user publishes', 'PUT', '/v1/rooms/bad/users/nope/publish', PUBLISH, {}, 404, 'user_not_found'],
    ['an unknown room mutes', 'PATCH', '/v1/rooms/nope/tracks/a:b', { muted: true }, {}, 404, 'room_not_found'],
    ['events of an unknown room', 'GET', '/v1/rooms/nope/events', undefined, {}, 404, 'room_not_found'],
    ['events of another life', 'GET', '/v1/rooms/bad/events?roomSessionId=x', undefined, {}, 404, 'room_not_found'],
    ['a bad query', 'GET', '/v1/rooms/bad/events?after=x', undefined, {}, 400, 'invalid_request'],
    ['an unknown query', 'GET', '/v1/rooms?x=1', undefined, {}, 400, 'invalid_request'],
    ['a doubled query', 'GET', '/v1/rooms?limit=1&limit=2', undefined, {}, 400, 'invalid_request'],
    ['a bad cursor', 'GET', '/v1/rooms?cursor=%00%ff', undefined, {}, 400, 'invalid_request'],
    ['a bad id', 'GET', '/v1/rooms/a%20b', undefined, {}, 400, 'invalid_request'],
    ['a colon in an id', 'GET', '/v1/rooms/a:b', undefined, {}, 400, 'invalid_request'],
    ['a broken escape', 'GET', '/v1/rooms/%E0%A4%A', undefined, {}, 400, 'invalid_request'],
    ['a long id', 'GET', `/v1/rooms/${'a'.repeat(129)}`, undefined, {}, 400, 'invalid_request'],
    ['not JSON', 'POST', '/v1/rooms', '{nope', json, 400, 'invalid_json'],
    ['JSON that is no object', 'POST', '/v1/rooms', '"x"', json, 400, 'invalid_json'],
    ['an empty body', 'POST', '/v1/rooms', undefined, json, 400, 'invalid_json'],
    [
      'another content type',
      'POST',
      '/v1/rooms',
      'a=1',
      { 'content-type': 'text/plain' },
      415,
      'unsupported_media_type',
    ],
    [
      'another encoding',
      'POST',
      '/v1/rooms',
      '{}',
      { ...json, 'content-encoding': 'x' },
      415,
      'unsupported_media_type',
    ],
    ['a list', 'POST', '/v1/rooms', [], {}, 400, 'invalid_request'],
    ['an unknown field', 'POST', '/v1/rooms', { roomID: 'x' }, {}, 400, 'invalid_request'],
    ['a wrong type', 'POST', '/v1/rooms', { maxUsers: '5' }, {}, 400, 'invalid_request'],
    ['no userId', 'POST', '/v1/rooms/bad/users', {}, {}, 400, 'invalid_request'],
    ['a body over the limit', 'POST', '/v1/rooms/bad/users', big, json, 413, 'body_too_large'],
    ['deep JSON', 'POST', '/v1/rooms/bad/users', deep, json, 400, 'invalid_request'],
    ['a long SDP', 'PUT', '/v1/rooms/bad/users/anna/publish', { sdp: 'x'.repeat(530_000) }, {}, 413, 'sdp_too_large'],
    [
      'publishing without permission',
      'POST',
      '/v1/rooms/bad/users',
      { userId: 'boris', permissions: { publish: false }, publish: PUBLISH },
      {},
      403,
      'not_permitted',
    ],
    [
      'an answer nobody asked for',
      'PUT',
      '/v1/rooms/bad/users/anna/subscribe/answer',
      { negotiationId: 'x', sdp: 'v=0' },
      {},
      409,
      'no_negotiation',
    ],
  ];

  beforeAll(async () => {
    await api.join('bad', 'anna', { room: {} });
  });

  it.each(cases)('%s', async (_name, method, path, body, headers, status, code) => {
    const before = await readRoom('bad');
    const rooms = roomListSchema.parse((await api.call('GET', '/v1/rooms?limit=500')).body).rooms.length;
    const logged = api.log.length;
    expectProblem(await api.call(method, path, body, headers), status, code);
    const lines = api.log.slice(logged).filter((line) => /"level":"(warn|error|fatal)"/.test(line));
    expect(lines).toEqual([]);
    expect(await readRoom('bad')).toEqual(before);
    expect(roomListSchema.parse((await api.call('GET', '/v1/rooms?limit=500')).body).rooms).toHaveLength(rooms);
  });

  it('names each field that is wrong', async () => {
    const body = { userId: 'a b', x: 1, publish: { sdp: 'v=0', tracks: [{ mid: '0', source: 'Cam' }] } };
    const { detail } = expectProblem(await api.call('POST', '/v1/rooms/bad/users', body), 400, 'invalid_request');
    expect(detail).toContain('body.userId: ');
    expect(detail).toContain('body.publish.tracks.0.source: ');
    expect(detail).toContain('body.x: unknown field');
  });

  it('takes over a sane request id and no other', async () => {
    const sane = await api.call('GET', '/v1/rooms', undefined, { 'x-request-id': 'abc-1' });
    expect(sane.headers.get('x-request-id')).toBe('abc-1');
    const insane = await api.call('GET', '/v1/rooms', undefined, { 'x-request-id': '{"a":1} x' });
    expect(insane.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(insane.headers.has('x-powered-by')).toBe(false);
  });

  it('names the request to the node', async () => {
    const headers = { 'x-request-id': 'publish-1' };
    await api.call('PUT', '/v1/rooms/bad/users/anna/publish', PUBLISH, headers);
    const heard = [...node1.received, ...node2.received].filter(({ requestId }) => requestId === 'publish-1');
    expect(heard.map(({ command }) => command)).toEqual(['session.publish']);
  });

  it('logs no key, no SDP and one line per call', async () => {
    const logged = api.log.length;
    await api.call('PUT', '/v1/rooms/bad/users/anna/publish', { sdp: 'v=0 secret-ice-password' });
    await vi.waitFor(() => expect(api.log.slice(logged).join('')).toContain('"operation":"publish"'));
    const lines = api.log.slice(logged).filter((line) => line.includes('"operation"'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/"roomId":"bad".*"userId":"anna"/);
    expect(api.log.join('')).not.toMatch(/dev-key|secret-ice-password/);
  });
});

describe('nodes', () => {
  it('lists them', async () => {
    const { nodes } = nodeListSchema.parse((await api.call('GET', '/v1/nodes')).body);
    expect(nodes.map(({ nodeId }) => nodeId).sort()).toEqual(['node-1', 'node-2']);
    expect(nodes[0]).toMatchObject({ state: 'ready', alive: true, load: { workers: 1 } });
  });

  it('counts them, also while nobody calls', async () => {
    const own = await TestCoordinator.start({ REDIS_URL: redis.url });
    try {
      const metrics = await (await fetch(`${own.service.opsUrl}/metrics`)).text();
      expect(metrics).toContain('mediaserver_nodes{state="ready"} 2');
      expect(metrics).toContain('mediaserver_nodes{state="lost"} 0');
    } finally {
      await own.service.close();
    }
  });

  it('a user on a dead node can leave at once, and join again elsewhere', async () => {
    const node3 = await FakeNode.start('node-3', redis.url);
    const roomId = freshRoom();
    const room = { placement: { strategy: 'spread' } };
    await vi.waitFor(async () => {
      const { nodes } = nodeListSchema.parse((await api.call('GET', '/v1/nodes')).body);
      expect(nodes).toHaveLength(3);
    }, 5_000);
    for (let n = 0; node3.sessions.size === 0 && n < 20; n += 1) await api.join(roomId, `user-${n}`, { room });
    const userId = [...node3.sessions.values()][0]?.session.userId ?? '';
    await node3.die();
    const publish = await api.call('PUT', `/v1/rooms/${roomId}/users/${userId}/publish`, PUBLISH);
    expectProblem(publish, 503, 'node_unavailable');
    expect(publish.headers.get('retry-after')).toBe('1');
    expect((await api.call('DELETE', `/v1/rooms/${roomId}/users/${userId}`)).status).toBe(204);
    expectProblem(await api.call('GET', `/v1/rooms/${roomId}/users/${userId}`), 404, 'user_not_found');
    await api.join(roomId, userId);
    expect((await eventTypes(roomId)).slice(-2)).toEqual(['user.left', 'user.joined']);
  });
});

describe('without Redis', () => {
  it('users who are in can go on; what needs the registry is refused with Retry-After', async () => {
    const own = await startRedis();
    const node = await FakeNode.start('node-9', own.url);
    const coordinator = await TestCoordinator.start({ REDIS_URL: own.url });
    try {
      const sessionId = await coordinator.join('r', 'anna', { room: {} });
      await node.createTrack(sessionId, 'microphone');
      own.process.kill('SIGSTOP');
      const refused = await coordinator.call('POST', '/v1/rooms/r/users', { userId: 'boris' });
      expectProblem(refused, 503, 'registry_unavailable');
      expect(refused.headers.get('retry-after')).toBe('1');
      const publish = await coordinator.call('PUT', '/v1/rooms/r/users/anna/publish', PUBLISH);
      expect(publish.status).toBe(200);
      const muted = await coordinator.call('PATCH', '/v1/rooms/r/tracks/anna:microphone', { muted: true });
      expect(muted.status).toBe(200);
      const resumed = await coordinator.call('POST', '/v1/rooms/r/users/anna/resume', { sessionId });
      // The last fact that this coordinator saw: a replay from there repeats the track, and misses nothing.
      expect(resumed.body).toMatchObject({ user: { sessionId }, lastSeq: 2 });
      own.process.kill('SIGCONT');
      await vi.waitFor(async () => expect((await coordinator.call('GET', '/v1/rooms/r')).status).toBe(200), 15_000);
    } finally {
      own.process.kill('SIGCONT');
      await coordinator.service.close();
      await node.stop();
      await own.stop();
    }
  });
});

it('stores no SDP in Redis', async () => {
  const client = new Redis(redis.url);
  const roomId = freshRoom();
  await api.join(roomId, 'anna', { room: {}, publish: { sdp: 'v=0 needle-in-haystack', tracks: [] } });
  const values: string[] = [];
  for (const key of await client.keys('*')) values.push(JSON.stringify(await client.dump(key)));
  client.disconnect();
  expect(values.join('')).not.toContain('needle-in-haystack');
});

it('closes every part, also behind one that fails to', async () => {
  const own = await TestCoordinator.start({ REDIS_URL: redis.url });
  vi.spyOn(ControlClient.prototype, 'close').mockRejectedValueOnce(new Error('stuck'));
  const behind = vi.spyOn(Registry.prototype, 'close');
  await own.service.close();
  expect(behind).toHaveBeenCalledOnce();
  expect(own.log.find((line) => line.includes('failed to close'))).toContain('"part":"control client"');
  vi.restoreAllMocks();
});
