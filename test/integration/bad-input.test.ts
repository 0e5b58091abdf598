import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JoinResult, RoomView } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api, refused } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges } from '../support/node-state.ts';
import { capabilitiesSdp, WrtcUser } from '../support/wrtc-user.ts';

/** What a wrong call of a backend or a hostile client meets: a documented code, and nothing has changed. */
let cluster: Cluster;
let api: Api;
let roomId = '';
let anna: WrtcUser;

beforeAll(async () => {
  cluster = await startCluster({ ports: 'free' });
  api = new Api(cluster);
  roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId });
  anna = await WrtcUser.join(api, roomId, { userId: 'anna' }, ['microphone']);
});

afterAll(async () => {
  anna?.disappear();
  await cluster?.stop();
});

const path = (rest: string) => `/rooms/${roomId}${rest}`;
const readRoom = () => api.call<RoomView>('GET', path(''));

/** Lines of level warn and above of the processes that calls reach. */
function complaints(): string[] {
  return ['coordinator', ...cluster.nodes.map(({ nodeId }) => nodeId)].flatMap((name) =>
    cluster.logs(name).filter((line) => ['warn', 'error', 'fatal'].includes(logLevel(line))),
  );
}

/** What is not a line of the logger, such as a stack on stderr, counts as an error. */
function logLevel(line: string): string {
  try {
    return String(JSON.parse(line).level);
  } catch {
    return 'error';
  }
}

let before: RoomView;
let complaintsBefore: readonly string[];
beforeAll(async () => {
  before = await readRoom();
  complaintsBefore = complaints();
});
afterEach(async () => {
  const { users, tracks, lastSeq } = await readRoom();
  expect({ users, tracks }).toEqual({ users: before.users, tracks: before.tracks });
  // Connectivity may be told meanwhile; nothing else.
  const { events } = await api.call<{ events: { type: string; seq: number }[] }>(
    'GET',
    path(`/events?after=${before.lastSeq}`),
  );
  expect(events.filter(({ type }) => !type.endsWith('connected'))).toEqual([]);
  expect(lastSeq - before.lastSeq).toBe(events.length);
});

describe('refused without a trace', () => {
  it('a join with capabilities that are not SDP', async () => {
    const join = { userId: 'boris', capabilitiesSdp: 'garbage' };
    await expect(api.refusal('POST', path('/users'), join)).resolves.toEqual(refused('malformed_sdp'));
  });

  it('a join whose publish offer has no fingerprint', async () => {
    const sdp = (await capabilitiesSdp()).replaceAll('recvonly', 'sendonly').replaceAll(/a=fingerprint:.*\r\n/g, '');
    const join = { userId: 'boris', publish: { sdp, tracks: [{ mid: '0', source: 'microphone' }] } };
    await expect(api.refusal('POST', path('/users'), join)).resolves.toEqual(refused('missing_fingerprint'));
    await eventually('the nodes hold anna and nobody else', async () => {
      const { sessions, producers } = await nodeGauges(cluster);
      return sessions === 1 && producers === 1;
    });
  });

  it('SDP over the limit, and a body over the limit', async () => {
    const sdp = `v=0\r\n${'a=x\r\n'.repeat(120_000)}`;
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks: [] })).resolves.toEqual(
      refused('sdp_too_large'),
    );
    const body = { sdp: sdp.repeat(3), tracks: [] };
    await expect(api.refusal('PUT', `${anna.path}/publish`, body)).resolves.toEqual(refused('body_too_large'));
  });

  it.each([
    ['no SDP at all', 'hello', 'malformed_sdp'],
    ['NUL in it', 'v=0\r\n\0', 'malformed_sdp'],
  ] as const)('a publish with %s', async (_, sdp, code) => {
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks: [] })).resolves.toEqual(refused(code));
  });

  it('a publish without a media section', async () => {
    const sdp = anna.pub.localDescription?.sdp.replace(/m=audio[\s\S]*/, '').replace(/a=group:.*\r\n/, '') ?? '';
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks: [] })).resolves.toEqual(
      refused('malformed_sdp'),
    );
  });

  it('a publish whose fingerprint changed', async () => {
    const sdp = (anna.pub.localDescription?.sdp ?? '').replace(
      /a=fingerprint:sha-256 (..)/g,
      (_, byte: string) => `a=fingerprint:sha-256 ${byte === 'AA' ? 'BB' : 'AA'}`,
    );
    const tracks = [{ mid: '0', source: 'microphone' }];
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks })).resolves.toEqual(
      refused('dtls_fingerprint_changed'),
    );
  });

  it('a track of a section that is not there, and two tracks of one section', async () => {
    const sdp = anna.pub.localDescription?.sdp ?? '';
    const unknown = [{ mid: 'nope', source: 'microphone' }];
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks: unknown })).resolves.toEqual(
      refused('unknown_track_mid'),
    );
    const doubled = [
      { mid: '0', source: 'microphone' },
      { mid: '0', source: 'camera' },
    ];
    await expect(api.refusal('PUT', `${anna.path}/publish`, { sdp, tracks: doubled })).resolves.toEqual(
      refused('bad_mid'),
    );
  });

  it('an answer to an offer that never was', async () => {
    const sdp = anna.pub.remoteDescription?.sdp ?? '';
    const answer = { negotiationId: randomUUID(), sdp };
    await expect(api.refusal('PUT', `${anna.path}/subscribe/answer`, answer)).resolves.toEqual(
      refused('stale_negotiation'),
    );
  });

  it('a subscription to a track that is not there', async () => {
    await expect(api.refusal('POST', `${anna.path}/subscribe`, { add: ['zoe:camera'] })).resolves.toEqual(
      refused('track_not_found'),
    );
  });

  it('calls for users, rooms and tracks that are not there', async () => {
    const answer = { negotiationId: 'x', sdp: 'v=0' };
    await expect(api.refusal('PUT', path('/users/zoe/subscribe/answer'), answer)).resolves.toEqual(
      refused('user_not_found'),
    );
    await expect(api.refusal('GET', '/rooms/nowhere')).resolves.toEqual(refused('room_not_found'));
    await expect(api.refusal('PATCH', path('/tracks/zoe:camera'), { muted: true })).resolves.toEqual(
      refused('track_not_found'),
    );
  });

  it('a call of a session that is not current', async () => {
    const call = `${anna.path}?sessionId=${randomUUID()}`;
    await expect(api.refusal('DELETE', call)).resolves.toEqual(refused('stale_session'));
  });
});

describe('refused before it is read', () => {
  const send = async (init: RequestInit) => {
    const response = await fetch(`${cluster.apiUrl}/v1${anna.path}/publish`, { method: 'PUT', ...init });
    const { code } = JSON.parse(await response.text());
    return { status: response.status, code };
  };
  const json = { 'content-type': 'application/json' };
  const right = () => ({ authorization: `Bearer ${cluster.apiKey}` });

  it.each([
    ['no key', {}],
    ['a wrong key', { authorization: 'Bearer wrong' }],
    ['a key in another scheme', { authorization: 'Basic wrong' }],
  ])('%s', async (_, headers) => {
    await expect(send({ headers: { ...json, ...headers }, body: '{}' })).resolves.toEqual(refused('unauthorized'));
  });

  it('what is not JSON, or does not say that it is', async () => {
    const headers = { ...json, ...right() };
    await expect(send({ headers, body: '{"sdp":' })).resolves.toEqual(refused('invalid_json'));
    await expect(send({ headers })).resolves.toEqual(refused('invalid_json'));
    const plain = { 'content-type': 'text/plain', ...right() };
    await expect(send({ headers: plain, body: '{}' })).resolves.toEqual(refused('unsupported_media_type'));
  });

  it('fields that are missing or unknown', async () => {
    await expect(api.refusal('PUT', `${anna.path}/publish`, {})).resolves.toEqual(refused('invalid_request'));
    const join = { userId: 'boris', volume: 11 };
    await expect(api.refusal('POST', path('/users'), join)).resolves.toEqual(refused('invalid_request'));
  });
});

describe('out of turn', () => {
  let user: WrtcUser;
  beforeAll(async () => {
    const other = `room-${randomUUID().slice(0, 8)}`;
    await api.call('POST', '/rooms', { roomId: other });
    user = await WrtcUser.join(api, other, { userId: 'emil' }, ['microphone', 'camera']);
  });
  afterAll(async () => {
    await user?.leave();
  });

  it('an offer with fewer sections than were applied', async () => {
    const sdp = (user.pub.localDescription?.sdp ?? '')
      .replace(/m=video[\s\S]*/, '')
      .replace(/a=group:BUNDLE .*\r\n/, 'a=group:BUNDLE 0\r\n');
    const tracks = [{ mid: '0', source: 'microphone' }];
    await expect(api.refusal('PUT', `${user.path}/publish`, { sdp, tracks })).resolves.toEqual(
      refused('mline_count_shrunk'),
    );
  });

  it('an answer of who never asked for anything', async () => {
    const deaf = await WrtcUser.join(api, user.roomId, { userId: 'deaf', subscribe: 'none' });
    expect(deaf.joined.subscribe).toBeNull();
    const answer = { negotiationId: randomUUID(), sdp: user.pub.remoteDescription?.sdp ?? '' };
    await expect(api.refusal('PUT', `${deaf.path}/subscribe/answer`, answer)).resolves.toEqual(
      refused('no_negotiation'),
    );
    await deaf.leave();
  });
});

describe('a second device', () => {
  it('takes over, and late calls of the first have no effect', async () => {
    const other = `room-${randomUUID().slice(0, 8)}`;
    await api.call('POST', '/rooms', { roomId: other });
    const phone = await WrtcUser.join(api, other, { userId: 'dora', deviceId: 'phone' }, ['microphone']);
    const tablet = await WrtcUser.join(api, other, { userId: 'dora', deviceId: 'tablet' }, ['microphone']);
    const late = `${phone.path}?sessionId=${phone.sessionId}`;
    await expect(api.refusal('DELETE', late)).resolves.toEqual(refused('stale_session'));
    const room = await api.call<RoomView>('GET', `/rooms/${other}`);
    expect(room.users.map(({ sessionId }) => sessionId)).toEqual([tablet.sessionId]);
    expect(room.tracks.map(({ sessionId }) => sessionId)).toEqual([tablet.sessionId]);
    phone.disappear();
    await tablet.leave();
  });

  it('is refused where the room refuses it', async () => {
    const other = `room-${randomUUID().slice(0, 8)}`;
    await api.call('POST', '/rooms', { roomId: other, onSecondDevice: 'refuse' });
    const join = { userId: 'dora', capabilitiesSdp: await capabilitiesSdp() };
    const first = await api.call<JoinResult>('POST', `/rooms/${other}/users`, join);
    await expect(api.refusal('POST', `/rooms/${other}/users`, join)).resolves.toEqual(refused('second_device_refused'));
    const room = await api.call<RoomView>('GET', `/rooms/${other}`);
    expect(room.users.map(({ sessionId }) => sessionId)).toEqual([first.user.sessionId]);
  });
});

it('none of it is worth a warning in a log', () => {
  expect(complaints().filter((line) => !complaintsBefore.includes(line))).toEqual([]);
});
