import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type {
  ConsumerView,
  JoinResult,
  PublishResult,
  RoomView,
  SubscribeAnswerResult,
  SubscribeOffer,
  SubscribeResult,
} from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api, refused } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { picture } from '../support/feeds.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { capabilitiesSdp, WrtcUser } from '../support/wrtc-user.ts';

const SECRET = `whsec_${Buffer.from(randomUUID()).toString('base64')}`;

let cluster: Cluster;
let api: Api;
let webhooks: WebhookReceiver;
const users: WrtcUser[] = [];
let roomId = '';

beforeAll(async () => {
  webhooks = await WebhookReceiver.start(SECRET);
  cluster = await startCluster({ ports: 'free', env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: SECRET } });
  api = new Api(cluster);
});

afterEach(async () => {
  for (const user of users.splice(0)) user.disappear();
  webhooks.listeners.clear();
  await api.call('DELETE', `/rooms/${roomId}`).catch(() => undefined);
});

afterAll(async () => {
  await cluster?.stop();
  await webhooks?.stop();
});

/** What went wrong on a node without a call to answer for it. */
const errors = () =>
  cluster.nodes.flatMap(({ nodeId }) => cluster.logs(nodeId).filter((line) => line.includes('"level":"error"')));

/** Users of one room on different nodes, so that every track crosses a pipe. */
async function newRoom(spec: object = { placement: { strategy: 'spread' } }): Promise<void> {
  roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId, ...spec });
}

/** An offer that was not pushed to the user, or did not reach it. */
const waitingOffer = (user: WrtcUser) =>
  eventually('an offer waits', () => api.call<SubscribeOffer | null>('GET', `${user.path}/subscribe/offer`));

/** Anna adds her camera, and boris does not hear of the offer. */
async function unheardCamera(): Promise<{ anna: WrtcUser; boris: WrtcUser }> {
  await newRoom();
  const anna = await join('anna', ['microphone']);
  const boris = await join('boris');
  webhooks.listeners.delete(boris.handleEvent);
  await anna.publish('camera');
  return { anna, boris };
}

/** Applies an offer; the answer is still to be sent. */
async function answerBy({ sub }: WrtcUser, { sdp, negotiationId }: SubscribeOffer) {
  await sub.setRemoteDescription({ type: 'offer', sdp });
  await sub.setLocalDescription(await sub.createAnswer());
  return { negotiationId, sdp: sub.localDescription?.sdp };
}

type JoinArguments = Parameters<typeof WrtcUser.join>;
async function join(
  userId: string,
  sources: JoinArguments[3] = [],
  more: Partial<JoinArguments[2]> = {},
  options: JoinArguments[4] = {},
): Promise<WrtcUser> {
  const user = await WrtcUser.join(api, roomId, { userId, ...more }, sources, options);
  users.push(user);
  webhooks.listeners.add(user.handleEvent);
  return user;
}

const readRoom = () => api.call<RoomView>('GET', `/rooms/${roomId}`);
const trackOf = async (trackId: string) => (await readRoom()).tracks.find((track) => track.trackId === trackId);
/** Facts of one type about a session. */
const facts = (type: string, { sessionId }: WrtcUser) =>
  webhooks.facts(roomId).filter((event) => event.type === type && JSON.stringify(event.data).includes(sessionId));
const consumerOf = (user: WrtcUser, trackId: string) =>
  user.tracks.find((track) => track.trackId === trackId)?.consumerId;
const patchConsumer = (user: WrtcUser, trackId: string, settings: object) =>
  api.call<ConsumerView>('PATCH', `${user.path}/consumers/${trackId}`, settings);

function ufrags({ pub, sub }: WrtcUser): Record<string, string | undefined> {
  const of = (sdp: string | undefined) => /^a=ice-ufrag:(\S+)/m.exec(sdp ?? '')?.[1];
  return {
    pub: of(pub.localDescription?.sdp),
    pubServer: of(pub.remoteDescription?.sdp),
    sub: of(sub.localDescription?.sdp),
    subServer: of(sub.remoteDescription?.sdp),
  };
}

/** Nothing comes for so many polls in a row that no sender that is at it could be between two packets. */
async function quiet(user: WrtcUser, trackId: string): Promise<void> {
  let last = { packets: -1, polls: 0 };
  await eventually(`${trackId} stops`, async () => {
    const { packets } = await user.received(trackId);
    last = { packets, polls: packets === last.packets ? last.polls + 1 : 0 };
    return last.polls >= 5;
  });
}

describe('ICE restart', () => {
  it('changes the credentials under media, and nothing else', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris', ['microphone']);
    await boris.flows('anna:camera');
    await anna.flows('boris:microphone');
    const before = { ufrags: ufrags(anna), consumer: consumerOf(anna, 'boris:microphone') };

    const published = await anna.restartPublish();
    expect(published.sections.map(({ trackId, status }) => [trackId, status])).toEqual([
      ['anna:microphone', 'live'],
      ['anna:camera', 'live'],
    ]);
    await anna.restartSubscribe();
    const after = ufrags(anna);
    for (const [name, ufrag] of Object.entries(before.ufrags)) expect([name, after[name]]).not.toEqual([name, ufrag]);
    await boris.flows('anna:camera');
    await anna.flows('boris:microphone');

    expect(await anna.resume('ice')).toMatchObject({ publish: { generation: 1 }, subscribe: { generation: 1 } });
    expect(ufrags(anna)['pubServer']).not.toBe(after['pubServer']);
    expect(ufrags(anna)['subServer']).not.toBe(after['subServer']);
    await boris.flows('anna:camera');
    await anna.flows('boris:microphone');
    expect(consumerOf(anna, 'boris:microphone')).toBe(before.consumer);
    expect(facts('user.disconnected', anna)).toEqual([]);
    expect(webhooks.facts(roomId).filter(({ type }) => type === 'producer.closed')).toEqual([]);
  });

  it('is a new PeerConnection for a client that cannot restart', async () => {
    await newRoom();
    await join('anna', ['microphone']);
    const boris = await join('boris', [], { clientProfile: 'grow' });
    await boris.flows('anna:microphone');
    const { sub } = boris;
    await boris.restartSubscribe();
    expect(boris.sub).not.toBe(sub);
    await boris.flows('anna:microphone');
    expect((await boris.resume('ice')).subscribe).toMatchObject({ generation: 3, revision: 1 });
    await boris.flows('anna:microphone');
  });
});

describe('resume after lost signalling', () => {
  it('brings the offer that did not arrive', async () => {
    const { boris } = await unheardCamera();
    await waitingOffer(boris);
    const before = await readRoom();
    const resumed = await boris.resume('none');
    expect(resumed.user.sessionId).toBe(boris.sessionId);
    // That somebody is connected may be told at any time.
    expect(resumed.lastSeq).toBeGreaterThanOrEqual(before.lastSeq);
    expect(resumed.lastSeq).toBeLessThanOrEqual((await readRoom()).lastSeq);
    await boris.flows('anna:camera');
    // Also when there is nothing new to tell.
    const { subscribe } = await boris.resume('none');
    expect(subscribe?.revision).toBeGreaterThan(resumed.subscribe?.revision ?? Infinity);
    await boris.flows('anna:camera');
    await boris.flows('anna:microphone');
  });

  it('mends an answer that did not arrive', async () => {
    const { boris } = await unheardCamera();
    const path = `${boris.path}/subscribe`;
    const lost = await waitingOffer(boris);
    const late = await answerBy(boris, lost);

    await boris.resume('none');
    expect(await api.refusal('PUT', `${path}/answer`, late)).toEqual(refused('stale_negotiation'));
    await expect(api.call('PUT', `${path}/answer`, late)).rejects.toThrow(/POST …\/resume/);
    await boris.flows('anna:camera');
  });
});

describe('an answer whose response was lost', () => {
  it('gets the next offer when it comes again', async () => {
    const { anna, boris } = await unheardCamera();
    const path = `${boris.path}/subscribe`;
    const first = await waitingOffer(boris);
    await anna.publish('screen');
    // Answers once the screen has arrived; it goes into the offer after this one.
    const waiting = await api.call<SubscribeResult>('POST', path, { add: ['anna:screen'] });
    expect(waiting.offer).toEqual(first);
    const answer = await answerBy(boris, first);

    const once = await api.call<SubscribeAnswerResult>('PUT', `${path}/answer`, answer);
    const again = await api.call<SubscribeAnswerResult>('PUT', `${path}/answer`, answer);
    expect(once.next?.tracks.map(({ trackId }) => trackId)).toContain('anna:screen');
    expect(again).toEqual(once);
    await boris.apply(again.next);
    await boris.flows('anna:screen');
  });
});

describe('resume with new PeerConnections', () => {
  it('does not miss a mute that comes while the tracks are made anew', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone']);
    const mute = { muted: true, by: 'moderator' };
    for (let round = 1; round <= 5; round += 1) {
      const resumed = anna.resume('all');
      await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, mute);
      await resumed;
      await eventually('it is muted', async () => (await trackOf('anna:microphone'))?.mutedByModerator === true);
      await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { ...mute, muted: false });
    }
  });

  it('brings back what was sent and received, and nobody sees the user leave', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris', ['microphone', 'camera']);
    await anna.flows('boris:camera');
    await boris.flows('anna:camera');
    const before = { camera: consumerOf(boris, 'anna:camera'), own: consumerOf(boris, 'boris:camera') };

    const { publish, subscribe } = await anna.resume('all');
    expect([publish?.generation, subscribe?.generation, subscribe?.revision]).toEqual([2, 2, 1]);
    expect(subscribe?.tracks.map(({ trackId }) => trackId).toSorted()).toEqual(['boris:camera', 'boris:microphone']);
    for (const source of ['microphone', 'camera']) {
      await anna.flows(`boris:${source}`);
      await eventually('boris has the new producer', () => consumerOf(boris, 'anna:camera') !== before.camera);
      await boris.flows(`anna:${source}`);
    }
    await anna.send('server', { data: 'back again' });
    await eventually('her message comes', () => boris.messages.length > 0);
    // What comes later comes too.
    await boris.publish('screen');
    await anna.flows('boris:screen');
    expect((await readRoom()).tracks).toHaveLength(5);
    await eventually('the screen is told', () => facts('producer.created', boris).length === 3);
    expect(facts('user.joined', anna)).toHaveLength(1);
    expect(facts('user.left', anna)).toEqual([]);
    // Closing a PeerConnection says goodbye, so the loss may have been told before the resume came; then the return is.
    const losses = facts('user.disconnected', anna).length;
    await eventually('she is there', () => facts('user.connected', anna).length === (losses > 0 ? 2 : 1));
  });

  it('leaves a muted microphone muted, and a camera that was only off on', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris');
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: true });
    const camera = anna.pub.getTransceivers()[1];
    if (camera) camera.direction = 'inactive';
    await anna.restartPublish();
    expect(await trackOf('anna:camera')).toMatchObject({ paused: true, mutedByUser: true });

    await anna.resume('all');
    await boris.flows('anna:camera');
    await eventually('both are told', async () => (await readRoom()).tracks.length === 2);
    expect(await trackOf('anna:microphone')).toMatchObject({ paused: true, mutedByUser: true });
    expect(await trackOf('anna:camera')).toMatchObject({ paused: false, mutedByUser: false });
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: false });
    await boris.flows('anna:microphone');
  });

  it('is not cut short by the grace time that was running', async () => {
    await newRoom({ graceSeconds: 1 });
    const anna = await join('anna', ['microphone']);
    const clara = await join('clara', ['microphone']);
    await anna.flows('clara:microphone');
    await clara.flows('anna:microphone');
    anna.pub.close();
    anna.sub.close();
    await eventually('anna is missed', () => facts('user.disconnected', anna).length > 0);
    const { sessionId } = anna;
    const resumed = await api.call<JoinResult>('POST', `${anna.path}/resume`, { sessionId, reset: 'all' });
    // What was sent is gone: the request did not say otherwise.
    expect(resumed.publish).toBeNull();
    await eventually('her track ends', async () => !(await trackOf('anna:microphone')));

    // Clara's grace time begins after anna's and runs out: anna's would have by then.
    clara.disappear();
    await eventually('clara is given up', () => facts('user.left', clara).length > 0);
    await anna.apply(resumed.subscribe);
    await anna.resume('all');
    await eventually('anna is back', () => facts('user.connected', anna).length === 2);
    expect(facts('user.disconnected', anna).map(({ data }) => data['peer'])).toContain('both');
    expect(facts('user.left', anna)).toEqual([]);
  });

  it('is too late after the grace time', async () => {
    await newRoom({ graceSeconds: 1 });
    const anna = await join('anna', ['microphone']);
    await join('boris');
    await eventually('anna is connected', () => facts('user.connected', anna).length > 0);
    anna.pub.close();
    anna.sub.close();
    await eventually('anna is given up', () => facts('user.left', anna).length > 0);
    const body = { sessionId: anna.sessionId };
    expect(await api.refusal('POST', `${anna.path}/resume`, body)).toEqual(refused('session_gone'));
    const again = await join('anna', ['microphone']);
    expect(await api.refusal('POST', `${anna.path}/resume`, body)).toEqual(refused('stale_session'));
    again.disappear();
  });

  it('is refused as a whole, and then nothing has changed', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris', ['camera']);
    await boris.flows('anna:camera');
    await anna.flows('boris:camera');
    const { sessionId } = anna;
    const sdp = anna.pub.localDescription?.sdp ?? '';
    const resume = (body: object) =>
      api.refusal('POST', `${anna.path}/resume`, { sessionId, reset: 'all', publish: { sdp, tracks: [] }, ...body });
    expect(await resume({ publish: { sdp: 'v=0\r\n' } })).toEqual(refused('malformed_sdp'));
    expect(await resume({})).toEqual(refused('missing_track'));
    expect(await resume({ capabilitiesSdp: 'garbage' })).toEqual(refused('malformed_sdp'));
    const stale = { reset: 'ice', publish: { sdp, tracks: [], generation: 7 } };
    expect(await resume(stale)).toEqual(refused('stale_offer'));
    await boris.flows('anna:camera');
    await anna.flows('boris:camera');
    expect(webhooks.facts(roomId).filter(({ type }) => type === 'producer.closed')).toEqual([]);
    // Nor does a refusal stand in the way of the next.
    expect((await anna.resume('none')).subscribe?.generation).toBe(1);
  });

  it('runs one after the other when asked twice, and the last one counts', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone']);
    const boris = await join('boris', ['microphone']);
    await anna.flows('boris:microphone');
    const body = { sessionId: anna.sessionId, reset: 'all' };
    const both = await Promise.all([1, 2].map(() => api.call<JoinResult>('POST', `${anna.path}/resume`, body)));
    const offers = both.flatMap(({ subscribe }) => (subscribe ? [subscribe] : []));
    const [first, second] = offers.toSorted((a, b) => a.generation - b.generation);
    expect([first?.generation, second?.generation]).toEqual([2, 3]);
    const answer = { negotiationId: first?.negotiationId, sdp: await capabilitiesSdp() };
    expect(await api.refusal('PUT', `${anna.path}/subscribe/answer`, answer)).toEqual(refused('stale_negotiation'));
    await anna.apply(second ?? null);
    await anna.flows('boris:microphone');
    await anna.resume('all');
    await anna.flows('boris:microphone');
    await boris.flows('anna:microphone');
  });
});

describe('many calls at once', () => {
  it('are taken or refused by name, and the next resume finds all in order', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris', ['microphone']);
    await anna.flows('boris:microphone');
    webhooks.listeners.delete(anna.handleEvent);
    const { sessionId, path } = anna;
    const publish = { sdp: anna.pub.localDescription?.sdp ?? '', tracks: [] };
    const calls: [string, string, object?][] = [
      ['POST', '/resume', { sessionId }],
      ['POST', '/resume', { sessionId, reset: 'ice' }],
      ['POST', '/resume', { sessionId, reset: 'all' }],
      ['POST', '/subscribe/restart'],
      ['PUT', '/publish', publish],
      ['PATCH', '/consumers/boris:microphone', { priority: 3, paused: true }],
      ['PATCH', '/consumers/boris:microphone', { paused: false }],
      ['POST', '/subscribe', { remove: ['boris:microphone'] }],
      ['POST', '/subscribe', { add: ['boris:microphone'] }],
      ['PUT', '/subscribe/answer', { negotiationId: 'none', sdp: publish.sdp }],
    ];
    for (const round of [1, 3, 7]) {
      const order = calls.map((_, index) => calls[(index * round) % calls.length] ?? ['GET', '/subscribe/offer']);
      const outcomes = await Promise.allSettled(order.map(([method, end, body]) => api.call(method, path + end, body)));
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
      // The offer of a PeerConnection that is gone, the answer to no offer; or one's turn did not come.
      for (const refusal of refusals) expect(refusal).toMatch(/: 4\d\d (?!invalid_request)/);
    }
    await api.call('POST', `${path}/subscribe`, { add: ['boris:microphone'] });
    await patchConsumer(anna, 'boris:microphone', { paused: false });
    await anna.resume('all');
    await anna.flows('boris:microphone');
    await boris.flows('anna:camera');
    await boris.flows('anna:microphone');
    expect((await readRoom()).tracks).toHaveLength(3);
    expect(errors()).toEqual([]);
  });
});

describe('a new PeerConnection to publish on', () => {
  it('sends the same tracks; what is received goes on', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone', 'camera']);
    const boris = await join('boris', ['microphone']);
    await boris.flows('anna:camera');
    await anna.flows('boris:microphone');
    const before = { consumer: consumerOf(boris, 'anna:camera'), sub: anna.sub };
    const old = anna.pub.localDescription?.sdp ?? '';

    const published = await anna.resetPublish();
    expect(published.generation).toBe(2);
    await eventually('boris has the new producer', () => consumerOf(boris, 'anna:camera') !== before.consumer);
    await boris.flows('anna:camera');
    await boris.flows('anna:microphone');
    expect(anna.sub).toBe(before.sub);
    await anna.flows('boris:microphone');

    // An offer of the one before cannot disturb it, with its number or without.
    const path = `${anna.path}/publish`;
    const late = {
      sdp: old,
      tracks: [
        { mid: '0', source: 'microphone' },
        { mid: '1', source: 'camera' },
      ],
    };
    expect(await api.refusal('PUT', path, { ...late, generation: 1 })).toEqual(refused('stale_offer'));
    expect(await api.refusal('PUT', path, late)).toEqual(refused('dtls_fingerprint_changed'));
    // The same reset again, because its answer was lost, gets the same answer.
    const tracks = [...late.tracks];
    const sdp = anna.pub.localDescription?.sdp ?? '';
    const again = await api.call<PublishResult>('PUT', path, { sdp, tracks, reset: true });
    expect(again).toEqual(published);
    await boris.flows('anna:camera');
  });
});

describe('settings of a consumer', () => {
  it('pause for one user alone, and outlive new PeerConnections of both sides', async () => {
    await newRoom();
    const anna = await join('anna', ['microphone']);
    const boris = await join('boris');
    const clara = await join('clara');
    await boris.flows('anna:microphone');
    await clara.flows('anna:microphone');
    const view = await patchConsumer(boris, 'anna:microphone', { paused: true, priority: 9 });
    expect(view).toEqual({
      trackId: 'anna:microphone',
      consumerId: consumerOf(boris, 'anna:microphone'),
      paused: true,
      preferredLayers: null,
      currentLayers: null,
      priority: 9,
    });
    await quiet(boris, 'anna:microphone');
    await clara.flows('anna:microphone');

    await boris.resume('all');
    await anna.resume('all');
    await eventually('boris has the new track', async () => {
      const { consumerId } = await patchConsumer(boris, 'anna:microphone', {});
      return consumerId !== null && consumerId === consumerOf(boris, 'anna:microphone');
    });
    await clara.flows('anna:microphone');
    await quiet(boris, 'anna:microphone');
    expect(await patchConsumer(boris, 'anna:microphone', { paused: false })).toMatchObject({ priority: 9 });
    await boris.flows('anna:microphone');
  });

  it('are kept for a track that is not received yet, and refused where there is none', async () => {
    await newRoom();
    await join('anna', ['microphone']);
    const boris = await join('boris');
    const subscribe = async (change: object) => {
      const result = await api.call<SubscribeResult>('POST', `${boris.path}/subscribe`, change);
      await boris.apply(result.offer);
    };
    await subscribe({ remove: ['anna:microphone'] });
    const { consumerId } = await patchConsumer(boris, 'anna:microphone', { paused: true });
    expect(consumerId).toBeNull();
    await subscribe({ add: ['anna:microphone'] });
    expect(consumerOf(boris, 'anna:microphone')).toBeDefined();
    await quiet(boris, 'anna:microphone');
    await patchConsumer(boris, 'anna:microphone', { paused: false });
    await boris.flows('anna:microphone');

    const unknown = `${boris.path}/consumers/anna:camera`;
    expect(await api.refusal('PATCH', unknown, { paused: true })).toEqual(refused('track_not_found'));
    const clara = await join('clara', [], { subscribe: 'none' });
    // Who may subscribe may choose before.
    const choice = `${clara.path}/consumers/anna:microphone`;
    expect(await api.call('PATCH', choice, { paused: true })).toMatchObject({ consumerId: null, paused: true });
    const dora = await join('dora', [], { permissions: { publish: true, subscribe: false } });
    const deaf = `${dora.path}/consumers/anna:microphone`;
    expect(await api.refusal('PATCH', deaf, { paused: true })).toEqual(refused('subscribe_disabled'));
    expect(await api.refusal('POST', `${clara.path}/subscribe/restart`)).toEqual(refused('subscribe_disabled'));
    expect((await clara.resume('all')).subscribe).toBeNull();
  });

  it('choose the layer of a simulcast camera, across nodes', async () => {
    await newRoom();
    const sendEncodings = [
      { rid: 'l', scaleResolutionDownBy: 2, maxBitrate: 100_000 },
      { rid: 'h', maxBitrate: 200_000 },
    ];
    const camera = () => ({ ...picture(480, 270), sendEncodings });
    await join('anna', ['camera'], {}, { feeds: { camera } });
    const boris = await join('boris');
    await boris.flows('anna:camera');
    const width = async () => (await boris.received('anna:camera')).width;
    await eventually('the high layer comes', async () => (await width()) === 480);

    const low = await patchConsumer(boris, 'anna:camera', { preferredLayers: { spatial: 0 } });
    expect(low.preferredLayers).toMatchObject({ spatial: 0 });
    await eventually('the low layer comes', async () => (await width()) === 240);
    expect((await patchConsumer(boris, 'anna:camera', {})).currentLayers).toMatchObject({ spatial: 0 });
    await boris.resume('all');
    await boris.flows('anna:camera');
    expect(await width()).toBe(240);

    // More than there is means the highest there is.
    const high = await patchConsumer(boris, 'anna:camera', { preferredLayers: { spatial: 7 } });
    expect(high.preferredLayers).toMatchObject({ spatial: 1 });
    await eventually('the high layer comes again', async () => (await width()) === 480);
    expect(await patchConsumer(boris, 'anna:camera', { preferredLayers: null })).toMatchObject({
      preferredLayers: null,
    });
  });
});
