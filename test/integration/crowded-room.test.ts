import { randomUUID } from 'node:crypto';
import wrtc from '@roamhq/wrtc';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventList, JoinRequest, JoinResult } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

const SECRET = `whsec_${Buffer.from(randomUUID()).toString('base64')}`;
/** One request names at most 64 tracks. */
const TRACKS_OF_ONE = 60;

let cluster: Cluster;
let api: Api;
let webhooks: WebhookReceiver;

beforeAll(async () => {
  webhooks = await WebhookReceiver.start(SECRET);
  cluster = await startCluster({ ports: 'free', env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: SECRET } });
  api = new Api(cluster);
});

afterAll(async () => {
  await cluster?.stop();
  await webhooks?.stop();
});

/** Somebody who sends very many tracks; only their sections matter. */
async function joinSender(roomId: string, userId: string): Promise<wrtc.RTCPeerConnection> {
  // Otherwise each section opens sockets of its own.
  const pub = new wrtc.RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const sources = Array.from({ length: TRACKS_OF_ONE }, (_, index) => `voice-${index}`);
  const transceivers = sources.map(() => pub.addTransceiver('audio', { direction: 'sendonly' }));
  await pub.setLocalDescription(await pub.createOffer());
  const tracks = sources.map((source, index) => ({ mid: transceivers[index]?.mid ?? '', source }));
  const publish = { sdp: pub.localDescription?.sdp ?? '', tracks };
  const request: Pick<JoinRequest, 'userId' | 'subscribe'> = { userId, subscribe: 'none' };
  await api.call<JoinResult>('POST', `/rooms/${roomId}/users`, { ...request, publish });
  return pub;
}

it.each(['standard', 'grow'] as const)(
  'more tracks than an offer has sections: some wait, and come as others end (%s)',
  async (clientProfile) => {
    const roomId = `crowd-${randomUUID().slice(0, 8)}`;
    await api.call('POST', '/rooms', { roomId });
    const senders = [];
    for (let index = 0; index < 7; index += 1) senders.push(await joinSender(roomId, `sender-${index}`));
    const listener = await WrtcUser.join(api, roomId, { userId: 'listener', clientProfile });
    webhooks.listeners.add(listener.handleEvent);
    const failed = async () => {
      const { events } = await api.call<EventList>('GET', `/rooms/${roomId}/events?limit=500`);
      return events.filter(({ type }) => type === 'consumer.failed').map(({ data }) => data['code']);
    };

    await eventually('the offer is full', () => listener.tracks.length >= 397);
    const waiting = 7 * TRACKS_OF_ONE - listener.tracks.length;
    await eventually('those that wait are told', async () => (await failed()).length >= waiting);
    expect(new Set(await failed())).toEqual(new Set(['too_many_sections']));

    await api.call('DELETE', `/rooms/${roomId}/users/sender-0`);
    const left = 6 * TRACKS_OF_ONE;
    await eventually('all that is left is offered', () => listener.tracks.length === left);
    const userIds = new Set(listener.tracks.map(({ userId }) => userId));
    expect([...userIds].toSorted()).toEqual([1, 2, 3, 4, 5, 6].map((index) => `sender-${index}`));
    expect(listener.tracks.length).toBe(new Set(listener.tracks.map(({ trackId }) => trackId)).size);

    listener.disappear();
    for (const sender of senders) sender.close();
    await api.call('DELETE', `/rooms/${roomId}`);
  },
);
