import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeView, SubscribeResult } from '@mediaserver/contracts';
import { ControlClient } from '@mediaserver/control';
import { Registry } from '@mediaserver/registry';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

/** Messages between users over data channels: on one node, across nodes, and what is refused. */
const RELIABLE = 'server';
const LOSSY = 'server-lossy';

let cluster: Cluster;
let api: Api;
let registry: Registry;
const control = new ControlClient({ tls: null });
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
let roomId = '';
const users: WrtcUser[] = [];

beforeAll(async () => {
  cluster = await startCluster({ ports: 'free' });
  api = new Api(cluster);
  registry = await Registry.connect({ url: cluster.redisUrl, name: 'test', log: quiet });
});

afterAll(async () => {
  await control.close();
  await registry?.close();
  await cluster?.stop();
});

beforeEach(() => {
  roomId = `room-${randomUUID().slice(0, 8)}`;
});

afterEach(async () => {
  for (const user of users.splice(0)) user.disappear();
  await api.call('DELETE', `/rooms/${roomId}`);
});

type Join = Parameters<typeof WrtcUser.join>[2];
type JoinOptions = Parameters<typeof WrtcUser.join>[4];

async function join(request: string | Join, options?: JoinOptions): Promise<WrtcUser> {
  const user = await WrtcUser.join(
    api,
    roomId,
    typeof request === 'string' ? { userId: request } : request,
    [],
    options,
  );
  users.push(user);
  return user;
}

/** Both channels of a user are up. */
async function open(user: WrtcUser): Promise<WrtcUser> {
  await eventually(`${user.userId} has both channels`, () =>
    [RELIABLE, LOSSY].every((label) => user.channels.get(label)?.readyState === 'open'),
  );
  return user;
}

/** Three users; with `spread` the third is on another node than the first two. */
async function three(spread: boolean): Promise<[WrtcUser, WrtcUser, WrtcUser]> {
  await api.call('POST', '/rooms', { roomId, placement: { strategy: spread ? 'spread' : 'pack' } });
  const anna = await join('anna');
  const others: WrtcUser[] = [];
  const isNear = (user: WrtcUser) => !spread || user.joined.user.nodeId === anna.joined.user.nodeId;
  // It takes a few if both others come to the same node; who is not needed is quiet.
  for (const userId of ['boris', 'carla', 'clara', 'daria', 'elena']) {
    others.push(await join(userId));
    const near = others.find(isNear);
    const far = others.find((user) => user !== near && isNear(user) !== spread);
    if (near && far) return [await open(anna), await open(near), await open(far)];
  }
  throw new Error('all users are on one node');
}

const of = (user: WrtcUser, label: string) =>
  user.messages.filter((received) => received.label === label).map(({ message }) => message);

const received = (user: WrtcUser, label: string, ...expected: unknown[]) =>
  eventually(`${user.userId} received on ${label}`, () => {
    expect(of(user, label)).toEqual(expected);
    return true;
  });

/** What is sent last comes last: whoever got this got everything before it that was for them. */
async function fence(sender: WrtcUser, ...receivers: WrtcUser[]): Promise<void> {
  const data = { fence: randomUUID() };
  await sender.send(RELIABLE, { data });
  for (const user of receivers) {
    await eventually(`${user.userId} is as far as ${sender.userId}`, () =>
      user.messages.some(({ message }) => JSON.stringify(message).includes(data.fence)),
    );
  }
}

const withoutFences = (user: WrtcUser, label: string) =>
  of(user, label).filter((message) => !JSON.stringify(message).includes('fence'));

/** A metric of the nodes, added up. @param name with its labels, as it is written. */
async function counted(name: string): Promise<number> {
  const texts = await Promise.all(
    cluster.nodes.map(async ({ opsUrl }) => (await fetch(new URL('/metrics', opsUrl))).text()),
  );
  const line = `mediaserver_node_${name} `;
  const values = texts.map(
    (text) =>
      text
        .split('\n')
        .find((each) => each.startsWith(line))
        ?.slice(line.length) ?? '0',
  );
  return values.reduce((sum, value) => sum + Number(value), 0);
}

describe.each([
  ['on one node', false],
  ['across nodes', true],
])('%s', (_where, spread) => {
  it('a message reaches everyone else on the channel it was sent on, with the sender stamped', async () => {
    const [anna, near, far] = await three(spread);
    await anna.send(RELIABLE, { data: { text: 'hello' } });
    await anna.send(LOSSY, { data: [1, 'two', null] });
    for (const user of [near, far]) {
      await received(user, RELIABLE, { from: 'anna', data: { text: 'hello' } });
      await received(user, LOSSY, { from: 'anna', data: [1, 'two', null] });
    }
    await near.send(RELIABLE, { data: 'heard' });
    await received(anna, RELIABLE, { from: near.userId, data: 'heard' });
    expect(of(anna, LOSSY)).toEqual([]);
    expect(near.messages).toHaveLength(2);
  });

  it('a message to some reaches them only', async () => {
    const [anna, near, far] = await three(spread);
    await anna.send(RELIABLE, { to: [far.userId], data: 'for you' });
    await anna.send(RELIABLE, { to: ['nobody'], data: 'lost' });
    await fence(anna, near, far);
    expect(withoutFences(far, RELIABLE)).toEqual([{ from: 'anna', data: 'for you' }]);
    expect(withoutFences(near, RELIABLE)).toEqual([]);
    expect(withoutFences(anna, RELIABLE)).toEqual([]);
  });

  it('500 messages of five senders arrive in each sender’s order, each once', async () => {
    const [anna, near, far] = await three(spread);
    const senders = [
      anna,
      near,
      await open(await join('dora')),
      await open(await join('emil')),
      await open(await join('fred')),
    ];
    for (let index = 0; index < 100; index += 1) {
      for (const sender of senders) await sender.send(RELIABLE, { data: index });
    }
    const expected = Array.from({ length: 100 }, (_, index) => index);
    const heard = (userId: string) =>
      far.messages.flatMap(({ message }) => (isFrom(message, userId) ? [message.data] : []));
    await eventually('all have arrived', () => far.messages.length >= 500);
    for (const { userId } of senders) expect(heard(userId)).toEqual(expected);
    expect(far.messages).toHaveLength(500);
  });
});

function isError(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'error' in message;
}

function isFrom(message: unknown, userId: string): message is { from: string; data: unknown } {
  return typeof message === 'object' && message !== null && 'from' in message && message.from === userId;
}

describe('messages of another node', () => {
  it('are taken once however often they are sent, and go no further', async () => {
    const [anna, near, far] = await three(true);
    const room = await registry.getRoom('default', roomId);
    const { nodes } = await api.call<{ nodes: NodeView[] }>('GET', '/nodes');
    const member = (user: WrtcUser) => {
      const { nodeId } = user.joined.user;
      const bootId = nodes.find((node) => node.nodeId === nodeId)?.bootId ?? '';
      return { nodeId, bootId, controlUrl: cluster.nodes.find((node) => node.nodeId === nodeId)?.controlUrl ?? '' };
    };
    if (!room) throw new Error('there is no room');
    const { roomSessionId, epoch } = room;
    const message = (seq: number) => ({ seq, reliable: true, to: null, message: { from: 'zoe', data: seq } });
    const send = (...seqs: number[]) => {
      const params = { roomSessionId, from: member(anna), messages: seqs.map(message) };
      return control.call(member(far), 'cascade.messages', params, { epoch });
    };
    const first = 1e9;
    await send(first);
    await send(first, first + 1);
    await send(first + 1);
    await fence(far, anna, near);
    await received(far, RELIABLE, { from: 'zoe', data: first }, { from: 'zoe', data: first + 1 });
    expect(withoutFences(anna, RELIABLE)).toEqual([]);
    expect(withoutFences(near, RELIABLE)).toEqual([]);

    // Where some were lost nobody there goes on with a gap; who starts anew hears again.
    const lost = { seq: first + 2, reliable: true, to: null, message: null };
    const params = { roomSessionId, from: member(anna), messages: [lost, message(first + 3)] };
    await control.call(member(far), 'cascade.messages', params, { epoch });
    await eventually('the channels close', () =>
      [RELIABLE, LOSSY].every((label) => far.channels.get(label)?.readyState === 'closed'),
    );
    expect(withoutFences(far, RELIABLE)).toHaveLength(2);
    await far.resume('all');
    await open(far);
    await control.call(member(far), 'cascade.messages', params, { epoch });
    await send(first + 4);
    const heard = [first, first + 1, first + 4].map((data) => ({ from: 'zoe', data }));
    await received(far, RELIABLE, ...heard);

    // Not from a node it does not know, nor from another process of one.
    for (const from of [
      { ...member(anna), nodeId: 'stranger' },
      { ...member(anna), bootId: randomUUID() },
    ]) {
      const strange = { roomSessionId, from, messages: [message(first + 5)] };
      const refusal = control.call(member(far), 'cascade.messages', strange, { epoch });
      await expect(refusal).rejects.toMatchObject({ code: 'room_not_hosted' });
    }
    await send(first + 6);
    await received(far, RELIABLE, ...heard, { from: 'zoe', data: first + 6 });
  });
});

describe('several sessions of a user', () => {
  it('each gets what the others send, and never its own', async () => {
    await api.call('POST', '/rooms', { roomId, onSecondDevice: 'allow' });
    const phone = await open(await join({ userId: 'anna', deviceId: 'phone' }));
    const laptop = await open(await join({ userId: 'anna', deviceId: 'laptop' }));
    const boris = await open(await join('boris'));
    await phone.send(RELIABLE, { data: 'to all' });
    await phone.send(RELIABLE, { to: ['anna'], data: 'to my other one' });
    await fence(phone, laptop, boris);
    const [all, other] = [
      { from: 'anna', data: 'to all' },
      { from: 'anna', data: 'to my other one' },
    ];
    expect(withoutFences(laptop, RELIABLE)).toEqual([all, other]);
    expect(withoutFences(boris, RELIABLE)).toEqual([all]);
    expect(phone.messages).toEqual([]);
  });
});

describe('what cannot be taken', () => {
  const error = (code: string, id: string | null) => ({ error: { code, message: expect.any(String), id } });

  it('is answered with an error on the channel it came by, and reaches nobody', async () => {
    await api.call('POST', '/rooms', { roomId });
    // A client keeps to the size it is offered.
    const anna = await open(
      await join('anna', {
        prepare: (user) => {
          user.onOffer = (offer) => (offer.sdp = offer.sdp.replace(/max-message-size:\d+/, 'max-message-size:262144'));
        },
      }),
    );
    const boris = await open(await join('boris'));
    const [server, lossy] = [anna.channels.get(RELIABLE), anna.channels.get(LOSSY)];
    server?.send('not JSON');
    server?.send(new Uint8Array([1, 2, 3]));
    server?.send(JSON.stringify({ id: 'm1', data: 1, from: 'boris' }));
    server?.send(JSON.stringify({ id: 'm2' }));
    server?.send(JSON.stringify({ id: 'm3', data: 'x'.repeat(20_000) }));
    server?.send(`{"data":${'['.repeat(5_000)}${']'.repeat(5_000)}}`);
    lossy?.send('{}');
    const invalid = error('invalid_message', null);
    await received(
      anna,
      RELIABLE,
      invalid,
      invalid,
      error('invalid_message', 'm1'),
      error('invalid_message', 'm2'),
      error('message_too_large', null),
      invalid,
    );
    await received(anna, LOSSY, invalid);
    await fence(anna, boris);
    expect(boris.messages).toHaveLength(1);
  });

  it('too many are answered with an error, and what is below the limit goes on', async () => {
    await api.call('POST', '/rooms', { roomId });
    const [anna, boris] = [await open(await join('anna')), await open(await join('boris'))];
    for (let index = 0; index < 140; index += 1) await anna.send(RELIABLE, { data: index, id: `m${index}` });
    const limited = await eventually('the first one too many is told of', () => of(anna, RELIABLE)[0]);
    expect(limited).toEqual(error('rate_limited', expect.stringMatching(/^m\d+$/)));
    await eventually('something passes again', async () => {
      await anna.send(RELIABLE, { data: 'later' });
      return of(boris, RELIABLE).some((message) => isFrom(message, 'anna') && message.data === 'later');
    });
  });
});

describe('a client that costs too much', () => {
  it('loses its channels when it floods; nobody else does', async () => {
    await api.call('POST', '/rooms', { roomId, placement: { strategy: 'pack' } });
    const [anna, boris, carla] = [
      await open(await join('anna')),
      await open(await join('boris')),
      await open(await join('carla')),
    ];
    const channel = anna.channels.get(RELIABLE);
    await eventually('the channel closes', () => {
      for (let index = 0; index < 500; index += 1) {
        if (channel?.readyState !== 'open') return channel?.readyState === 'closed';
        channel.send('{"data":0}');
      }
      return false;
    });
    await boris.send(RELIABLE, { data: 'still here' });
    await eventually('others hear each other', () =>
      of(carla, RELIABLE).some((message) => isFrom(message, 'boris') && message.data === 'still here'),
    );
  });

  it('loses its channels when it takes nothing for long, so that what waits for it is bounded', async () => {
    await api.call('POST', '/rooms', { roomId, placement: { strategy: 'pack' } });
    const senders = [await open(await join('anna')), await open(await join('boris')), await open(await join('carla'))];
    // It answers, and never reaches the server: its channels are made and stay where they are.
    await join('lost', {
      prepare: (user) => {
        user.onOffer = (offer) => (offer.sdp = offer.sdp.replaceAll(/a=candidate:.*\r\n/g, ''));
      },
    });
    const accepted = () => counted('data_messages_received_total{channel="server"}');
    const before = { closed: await counted('data_sessions_closed_total'), accepted: await accepted() };
    await eventually(
      'it is given up',
      async () => {
        for (const sender of senders) await sender.send(RELIABLE, { data: 'x'.repeat(16_000) });
        return (await counted('data_sessions_closed_total')) === before.closed + 1;
      },
      { timeoutMs: 40_000, everyMs: 250 },
    );
    await eventually('who takes it gets it all', async () => {
      const counts = senders.map((user) => of(user, RELIABLE).filter((message) => !isError(message)).length);
      const got = counts.reduce((sum, count) => sum + count, 0);
      expect(got).toBe(2 * ((await accepted()) - before.accepted));
      return true;
    });
  });

  it('what all send together is limited, wherever they are', async () => {
    const talkers = await three(true);
    // Each stays within what one may send at once.
    const silent = ['dora', 'emil', 'fred', 'gina', 'hugo'].map(async (userId) => open(await join(userId)));
    const all = [...talkers, ...(await Promise.all(silent))];
    for (let index = 0; index < 4; index += 1) {
      for (const user of all) await user.send(RELIABLE, { id: `${index}`, data: 'x'.repeat(16_000) });
    }
    const limited = await eventually('somebody is told', () => all.flatMap((user) => of(user, RELIABLE)).find(isError));
    expect(limited).toEqual({
      error: { code: 'rate_limited', message: expect.stringMatching(/^The room: /), id: expect.any(String) },
    });
    for (const user of all) expect(user.channels.get(RELIABLE)?.readyState).toBe('open');
  });
});

describe('a session that starts anew', () => {
  it('has new channels, and the old ones are gone', async () => {
    await api.call('POST', '/rooms', { roomId });
    const [anna, boris] = [await open(await join('anna')), await open(await join('boris'))];
    const old = anna.channels.get(RELIABLE);
    await anna.resume('all');
    await open(anna);
    expect(anna.channels.get(RELIABLE)).not.toBe(old);
    await anna.send(RELIABLE, { data: 'again' });
    await received(boris, RELIABLE, { from: 'anna', data: 'again' });
    await boris.send(RELIABLE, { data: 'welcome' });
    await received(anna, RELIABLE, { from: 'boris', data: 'welcome' });
  });

  it('keeps its channels over an ICE restart', async () => {
    await api.call('POST', '/rooms', { roomId });
    const [anna, boris] = [await open(await join('anna')), await open(await join('boris'))];
    const channel = anna.channels.get(RELIABLE);
    await anna.resume('ice');
    await anna.send(RELIABLE, { data: 'as before' });
    await received(boris, RELIABLE, { from: 'anna', data: 'as before' });
    expect(anna.channels.get(RELIABLE)).toBe(channel);
  });
});

describe('a session without data channels', () => {
  it('works, and hears nothing', async () => {
    await api.call('POST', '/rooms', { roomId, placement: { strategy: 'pack' } });
    const anna = await open(await join('anna'));
    const silent = await join({ userId: 'boris', data: false });
    expect(silent.joined.subscribe?.data).toEqual([]);
    expect(silent.channels.size).toBe(0);
    await anna.publish('microphone');
    const body = { add: ['anna:microphone'] };
    const { offer } = await api.call<SubscribeResult>('POST', `${silent.path}/subscribe`, body);
    await silent.apply(offer);
    await silent.flows('anna:microphone');
    const messages = async () => ({
      taken: await counted('data_messages_received_total{channel="server"}'),
      handedOn: await counted('data_messages_delivered_total{channel="server"}'),
    });
    const before = await messages();
    await anna.send(RELIABLE, { data: 'anyone?' });
    const after = await eventually('it is taken', async () => {
      const now = await messages();
      return now.taken > before.taken ? now : null;
    });
    expect(after).toEqual({ taken: before.taken + 1, handedOn: before.handedOn });
    // Who has channels is heard beside it.
    await fence(anna, await open(await join('carla')));
    expect((await messages()).handedOn).toBe(before.handedOn + 1);
  });
});

describe('a node that does not answer', () => {
  it('gets what was sent meanwhile once it does: nothing lost, nothing doubled', async () => {
    const [anna, near, far] = await three(true);
    const node = far.joined.user.nodeId;
    await fence(anna, far);
    await cluster.kill(node, 'SIGSTOP');
    try {
      for (let index = 0; index < 50; index += 1) await anna.send(RELIABLE, { data: index });
      await eventually('a call to it has failed', () =>
        cluster.logs(anna.joined.user.nodeId).some((line) => line.includes('does not take messages; trying again')),
      );
      await anna.send(RELIABLE, { data: 50 });
    } finally {
      await cluster.kill(node, 'SIGCONT');
    }
    const expected = Array.from({ length: 51 }, (_, index) => ({ from: 'anna', data: index }));
    await eventually('everything has come', () => withoutFences(far, RELIABLE).length >= expected.length);
    await fence(anna, far);
    expect(withoutFences(far, RELIABLE)).toEqual(expected);
    expect(withoutFences(near, RELIABLE)).toEqual(expected);
  });

  it('does not disturb those on other nodes when it dies', async () => {
    const [anna, near, far] = await three(true);
    const node = far.joined.user.nodeId;
    await cluster.kill(node);
    try {
      for (let index = 0; index < 20; index += 1) await anna.send(RELIABLE, { data: index });
      await eventually('who is on the same node hears everything', () => near.messages.length === 20);
      await near.send(RELIABLE, { data: 'and back' });
      await received(anna, RELIABLE, { from: near.userId, data: 'and back' });
    } finally {
      await cluster.start(node);
    }
  });
});
