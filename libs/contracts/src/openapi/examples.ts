import { dataChannels } from '../api/data-messages.ts';
import type { EventEnvelope, WebhookBody } from '../api/events.ts';
import type { PublishResult, SubscribeOffer, TrackState } from '../api/media.ts';
import type { OperationAnswer, OperationId } from '../api/operations.ts';
import type { RoomSummary, RoomView } from '../api/rooms.ts';
import type { SessionView } from '../api/users.ts';

/** One request and one answer per 2xx status, for each operation; a test parses all of them. */
type Examples = {
  readonly [Id in OperationId]: {
    readonly params: Readonly<Record<string, string>>;
    readonly request: Readonly<Record<string, unknown>> | null;
    readonly answers: readonly OperationAnswer<Id>[];
  };
};

const ROOM_SESSION = '5f0c7d0e-6a3c-4f52-9d4e-0f6b8a1f2c33';
const ANNA_SESSION = '0b9f3a56-4f3e-4c55-8a3f-3c2b0c7a9d10';
const PUB_OFFER =
  'v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n…';
const PUB_ANSWER = 'v=0\r\no=- 10000 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\n…';
const SUB_OFFER = 'v=0\r\no=- 20000 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0\r\n…';
const SUB_ANSWER = 'v=0\r\no=- 3735928559 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n…';

const summary: RoomSummary = {
  roomId: 'standup',
  roomSessionId: ROOM_SESSION,
  state: 'open',
  createdAt: '2026-03-02T08:59:30.120Z',
  version: 1,
  spec: {
    maxUsers: 20,
    emptyTimeoutSeconds: 300,
    graceSeconds: 30,
    onSecondDevice: 'replace',
    region: null,
    placement: { strategy: 'pack' },
    metadata: { chat: 4711 },
    media: { codecs: ['opus', 'VP8', 'H264', 'VP9', 'AV1'] },
  },
  userCount: 1,
};

const anna: SessionView = {
  userId: 'anna',
  sessionId: ANNA_SESSION,
  deviceId: 'phone',
  displayName: 'Anna',
  roomId: 'standup',
  roomSessionId: ROOM_SESSION,
  nodeId: 'node-1',
  state: 'joined',
  permissions: { publish: true, subscribe: true },
  metadata: {},
  joinedAt: '2026-03-02T09:00:01.507Z',
  version: 1,
};

const microphone: TrackState = {
  trackId: 'anna:microphone',
  producerId: '7d7f1f0c-51b5-4b6f-8c2c-a87f4c3b6a01',
  userId: 'anna',
  sessionId: ANNA_SESSION,
  nodeId: 'node-1',
  kind: 'audio',
  source: 'microphone',
  paused: false,
  mutedByUser: false,
  mutedByModerator: false,
};

const emptyRoom: RoomView = {
  ...summary,
  userCount: 0,
  users: [],
  tracks: [],
  nodes: [{ nodeId: 'node-1', role: 'home' }],
  lastSeq: 1,
};
const room: RoomView = { ...emptyRoom, userCount: 1, users: [anna], tracks: [microphone], lastSeq: 3 };

const published: PublishResult = {
  generation: 1,
  sdp: PUB_ANSWER,
  sections: [
    {
      mid: '0',
      status: 'live',
      code: null,
      producerId: microphone.producerId,
      trackId: 'anna:microphone',
      kind: 'audio',
      source: 'microphone',
    },
    {
      mid: '1',
      status: 'rejected',
      code: 'no_common_codec',
      producerId: null,
      trackId: null,
      kind: 'video',
      source: 'camera',
    },
  ],
};

const offer: SubscribeOffer = {
  generation: 1,
  revision: 1,
  negotiationId: 'e2b1c6d4-6a55-4b7a-9c38-0b8e1f7d2a90',
  sdp: SUB_OFFER,
  tracks: [
    {
      mid: '0',
      trackId: 'boris:microphone',
      consumerId: 'c4a0f4a2-55c1-4f4c-8a9b-1f9f6f0f7b21',
      producerId: '3f7cbb11-6f0e-4a67-9c43-1f3bb14b8a77',
      userId: 'boris',
      kind: 'audio',
      source: 'microphone',
      paused: false,
      replaces: null,
    },
  ],
  data: [...dataChannels],
};

const envelope = {
  tenant: 'default',
  roomId: 'standup',
  roomSessionId: ROOM_SESSION,
  eventEpoch: 1,
};
const joinedEvent: EventEnvelope = {
  ...envelope,
  id: `${ROOM_SESSION}-1-2`,
  type: 'user.joined',
  seq: 2,
  occurredAt: '2026-03-02T09:00:01.530Z',
  data: { user: anna },
};
const trackEvent: EventEnvelope = {
  ...envelope,
  id: `${ROOM_SESSION}-1-3`,
  type: 'producer.created',
  seq: 3,
  occurredAt: '2026-03-02T09:00:01.604Z',
  data: { track: microphone },
};

const publishRequest = {
  sdp: PUB_OFFER,
  tracks: [
    { mid: '0', source: 'microphone' },
    { mid: '1', source: 'camera', ridOrder: ['l', 'm', 'h'] },
  ],
};
const standup = { roomId: 'standup' };
const annaInStandup = { roomId: 'standup', userId: 'anna' };

export const examples: Examples = {
  createRoom: {
    params: {},
    request: { roomId: 'standup', maxUsers: 20, metadata: { chat: 4711 } },
    answers: [
      { status: 201, body: emptyRoom },
      { status: 200, body: room },
    ],
  },
  listRooms: {
    params: {},
    request: null,
    answers: [{ status: 200, body: { rooms: [summary], nextCursor: 'c3RhbmR1cA' } }],
  },
  getRoom: { params: standup, request: null, answers: [{ status: 200, body: room }] },
  closeRoom: { params: standup, request: null, answers: [{ status: 204, body: null }] },
  joinRoom: {
    params: standup,
    request: {
      userId: 'anna',
      deviceId: 'phone',
      displayName: 'Anna',
      room: { maxUsers: 20, metadata: { chat: 4711 } },
      capabilitiesSdp: PUB_OFFER,
      publish: publishRequest,
      subscribe: 'all',
    },
    answers: [
      {
        status: 201,
        body: {
          user: anna,
          publish: published,
          subscribe: offer,
          iceServers: [],
          iceServersExpireAt: null,
          lastSeq: 2,
        },
      },
    ],
  },
  resumeUser: {
    params: annaInStandup,
    request: { sessionId: ANNA_SESSION, reset: 'ice', publish: { sdp: PUB_OFFER, generation: 1 } },
    answers: [
      {
        status: 200,
        body: {
          user: anna,
          publish: published,
          subscribe: { ...offer, revision: 4 },
          iceServers: [],
          iceServersExpireAt: null,
          lastSeq: 9,
        },
      },
    ],
  },
  getUser: {
    params: annaInStandup,
    request: null,
    answers: [{ status: 200, body: { userId: 'anna', sessions: [anna] } }],
  },
  leaveRoom: { params: annaInStandup, request: null, answers: [{ status: 204, body: null }] },
  publish: { params: annaInStandup, request: publishRequest, answers: [{ status: 200, body: published }] },
  subscribe: {
    params: annaInStandup,
    request: { add: ['boris:camera'], remove: ['boris:screen'] },
    answers: [{ status: 200, body: { offer } }],
  },
  getSubscribeOffer: {
    params: annaInStandup,
    request: null,
    answers: [
      { status: 200, body: offer },
      { status: 204, body: null },
    ],
  },
  answerSubscribe: {
    params: annaInStandup,
    request: { negotiationId: offer.negotiationId, sdp: SUB_ANSWER },
    answers: [
      {
        status: 200,
        body: { next: null, sections: [{ mid: '0', status: 'live', code: null, trackId: 'boris:microphone' }] },
      },
    ],
  },
  restartSubscribe: {
    params: annaInStandup,
    request: null,
    answers: [{ status: 200, body: { ...offer, revision: 2 } }],
  },
  patchConsumer: {
    params: { roomId: 'standup', userId: 'anna', trackId: 'boris:camera' },
    request: { preferredLayers: { spatial: 0 }, priority: 10 },
    answers: [
      {
        status: 200,
        body: {
          trackId: 'boris:camera',
          consumerId: 'c4a0f4a2-55c1-4f4c-8a9b-1f9f6f0f7b21',
          paused: false,
          preferredLayers: { spatial: 0 },
          currentLayers: { spatial: 0, temporal: 2 },
          priority: 10,
        },
      },
    ],
  },
  patchTrack: {
    params: { roomId: 'standup', trackId: 'anna:microphone' },
    request: { muted: true, by: 'moderator' },
    answers: [{ status: 200, body: { ...microphone, paused: true, mutedByModerator: true } }],
  },
  listEvents: {
    params: standup,
    request: null,
    answers: [{ status: 200, body: { roomSessionId: ROOM_SESSION, events: [joinedEvent, trackEvent], lastSeq: 3 } }],
  },
  listNodes: {
    params: {},
    request: null,
    answers: [
      {
        status: 200,
        body: {
          nodes: [
            {
              nodeId: 'node-1',
              bootId: '9a5f2d6e-2f0b-4f4f-8c39-2d1b8f7a6c55',
              region: null,
              version: '0.1.0',
              state: 'ready',
              alive: true,
              load: { ratio: 0.12, rooms: 3, sessions: 9, producers: 14, consumers: 41, workers: 4 },
            },
          ],
        },
      },
    ],
  },
};

export const factsExample: WebhookBody = { events: [joinedEvent, trackEvent] };
export const signalExample: WebhookBody = {
  events: [
    {
      ...envelope,
      id: '4b7f9a0e-58d4-4a9e-8f0f-7f1a2b6c3d44',
      type: 'subscribe.offer',
      occurredAt: '2026-03-02T09:00:02.010Z',
      data: { userId: 'anna', sessionId: ANNA_SESSION, subscribe: offer },
    },
  ],
};
