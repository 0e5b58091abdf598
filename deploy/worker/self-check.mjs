// Proves that a mediasoup worker binary does its real work. A worker that was
// linked against the wrong flavour of a library may start, answer requests and
// still die at the first DTLS handshake, so starting it proves nothing.
//
//   node deploy/worker/self-check.mjs <path of the worker>
//
// Three calls are made, and each must carry its packets unchanged:
//   loop  two WebRtcTransports of the worker, joined by a small ICE relay, so
//         that both DTLS roles run; needs nothing but mediasoup and Node;
//   pipe  two PipeTransports with SRTP, as between nodes;
//   peer  libwebrtc (@roamhq/wrtc) sends real audio. Left out, and said so, where
//         that development dependency is absent (production images).
import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import process from 'node:process';
import { crc32 } from 'node:zlib';
import * as mediasoup from 'mediasoup';

const OPUS = { kind: 'audio', mimeType: 'audio/opus', clockRate: 48000, channels: 2, preferredPayloadType: 100 };
const SSRC = 22222222;
const LOOPBACK = [{ protocol: 'udp', ip: '127.0.0.1' }];

const workerBin = process.argv[2] ?? process.env.MEDIASOUP_WORKER_BIN;
if (!workerBin) fail('name the worker binary to check');

const hardStop = setTimeout(() => fail('no answer within 20 seconds'), 20_000);
let stage = 'start';

try {
  const worker = await mediasoup.createWorker({ workerBin, logLevel: 'error' });
  worker.on('died', (error) => fail(`the worker died in stage "${stage}": ${error.message}`));
  const notes = [];
  for (const [name, call] of Object.entries({ loop: loopCall, pipe: pipeCall, peer: peerCall })) {
    stage = name;
    const started = performance.now();
    const note = (await call(worker)) ?? `${Math.round(performance.now() - started)} ms`;
    notes.push(`${name} ${note}`);
  }
  clearTimeout(hardStop);
  process.stdout.write(`worker accepted: ${notes.join(', ')}\n`);
  process.exit(0);
} catch (error) {
  fail(`stage "${stage}": ${error.message}`);
}

/** Packets go producer → A ═ DTLS/SRTP ═ relay ═ DTLS/SRTP ═ B → consumer. */
async function loopCall(worker) {
  const router = await worker.createRouter({ mediaCodecs: [OPUS] });
  const [a, b] = await Promise.all([1, 2].map(() => router.createWebRtcTransport({ listenInfos: LOOPBACK })));
  const stopRelay = await relay(a, b);
  await a.connect({ dtlsParameters: { ...b.dtlsParameters, role: 'server' } });
  await b.connect({ dtlsParameters: { ...a.dtlsParameters, role: 'client' } });
  await Promise.all([dtlsConnected(a), dtlsConnected(b)]);

  const { producer, send } = await source(router);
  const out = await a.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const arrived = await b.produce({ kind: 'audio', rtpParameters: out.rtpParameters });
  await expectPackets(router, arrived, send);
  stopRelay();
  router.close();
}

async function pipeCall(worker) {
  const routers = await Promise.all([1, 2].map(() => worker.createRouter({ mediaCodecs: [OPUS] })));
  const [a, b] = await Promise.all(
    routers.map((router) => router.createPipeTransport({ listenInfo: LOOPBACK[0], enableSrtp: true, enableRtx: true })),
  );
  await Promise.all(
    [
      [a, b],
      [b, a],
    ].map(([one, other]) =>
      one.connect({
        ip: other.tuple.localIp ?? '127.0.0.1',
        port: other.tuple.localPort,
        srtpParameters: other.srtpParameters,
      }),
    ),
  );

  const { producer, send } = await source(routers[0]);
  const out = await a.consume({ producerId: producer.id });
  const arrived = await b.produce({ kind: 'audio', rtpParameters: out.rtpParameters });
  await expectPackets(routers[1], arrived, send);
  for (const router of routers) router.close();
}

/** Another implementation's ICE, DTLS and SRTP: a worker could agree with itself and with nobody else. */
async function peerCall(worker) {
  let wrtc;
  try {
    ({ default: wrtc } = await import('@roamhq/wrtc'));
  } catch {
    return 'left out (no @roamhq/wrtc here)';
  }
  const router = await worker.createRouter({ mediaCodecs: [OPUS] });
  const transport = await router.createWebRtcTransport({ listenInfos: LOOPBACK });
  const peer = new wrtc.RTCPeerConnection();
  const audio = new wrtc.nonstandard.RTCAudioSource();
  peer.addTrack(audio.createTrack(), new wrtc.MediaStream());

  const { iceParameters, iceCandidates, dtlsParameters } = transport;
  const fingerprint = dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  const [{ ip, port }] = iceCandidates;
  await peer.setLocalDescription(await peer.createOffer());
  const offer = peer.localDescription.sdp;
  const payloadType = Number(/a=rtpmap:(\d+) opus\/48000/i.exec(offer)[1]);
  await peer.setRemoteDescription({
    type: 'answer',
    sdp: [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      't=0 0',
      'a=ice-lite',
      'a=group:BUNDLE 0',
      `m=audio 7 UDP/TLS/RTP/SAVPF ${payloadType}`,
      'c=IN IP4 127.0.0.1',
      'a=mid:0',
      'a=recvonly',
      'a=rtcp-mux',
      `a=rtpmap:${payloadType} opus/48000/2`,
      `a=ice-ufrag:${iceParameters.usernameFragment}`,
      `a=ice-pwd:${iceParameters.password}`,
      `a=candidate:1 1 udp 1 ${ip} ${port} typ host`,
      'a=end-of-candidates',
      'a=setup:passive',
      `a=fingerprint:sha-256 ${fingerprint.value}`,
      '',
    ].join('\r\n'),
  });
  const [, algorithm, value] = /a=fingerprint:(\S+) (\S+)/.exec(offer);
  await transport.connect({ dtlsParameters: { role: 'client', fingerprints: [{ algorithm, value }] } });
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: {
      mid: '0',
      codecs: [{ mimeType: 'audio/opus', payloadType, clockRate: 48000, channels: 2 }],
      encodings: [{ ssrc: Number(/a=ssrc:(\d+)/.exec(offer)[1]) }],
    },
  });

  const samples = new Int16Array(480).map((_, i) => Math.sin(i / 8) * 8000);
  await expectPackets(router, producer, () => audio.onData({ samples, sampleRate: 48000 }), 10);
  peer.close();
  router.close();
  return undefined;
}

/** A Producer fed from here with plain RTP, and the function that feeds it. */
async function source(router) {
  const transport = await router.createDirectTransport();
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: {
      codecs: [{ mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2 }],
      encodings: [{ ssrc: SSRC }],
    },
  });
  let sequence = 0;
  const send = () => {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(0x806f, 0);
    header.writeUInt16BE(++sequence, 2);
    header.writeUInt32BE(sequence * 960, 4);
    header.writeUInt32BE(SSRC, 8);
    const payload = randomBytes(160);
    producer.send(Buffer.concat([header, payload]));
    return payload;
  };
  return { producer, send };
}

/** Sends until five packets came out of the producer; those sent from here must come out unchanged. */
async function expectPackets(router, producer, send, everyMs = 5) {
  const transport = await router.createDirectTransport();
  const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
  const sent = new Set();
  const ticker = setInterval(() => {
    const payload = send();
    if (payload) sent.add(payload.toString('base64'));
  }, everyMs);
  try {
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('no media arrived within 6 seconds')), 6_000);
      let arrived = 0;
      consumer.on('rtp', (packet) => {
        // The worker may have added header extensions; the payload is the tail.
        if (sent.size > 0 && !sent.has(packet.subarray(-160).toString('base64')))
          reject(new Error('media arrived damaged'));
        if (++arrived < 5) return;
        clearTimeout(late);
        resolve();
      });
    });
  } finally {
    clearInterval(ticker);
  }
}

function dtlsConnected(transport) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`DTLS is "${transport.dtlsState}" after 6 seconds`)), 6_000);
    const look = (state) => {
      if (state === 'failed' || state === 'closed') reject(new Error(`DTLS ${state}`));
      if (state !== 'connected') return;
      clearTimeout(late);
      resolve();
    };
    transport.on('dtlsstatechange', look);
    look(transport.dtlsState);
  });
}

/**
 * The worker speaks ICE lite, so two of its transports wait for each other for
 * ever. This plays the controlling side towards both and passes the rest across.
 */
async function relay(...transports) {
  const sides = await Promise.all(
    transports.map(async (transport) => {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      const [{ ip, port }] = transport.iceCandidates;
      socket.connect(port, ip);
      await once(socket, 'connect');
      return { socket, ice: transport.iceParameters };
    }),
  );
  for (const [index, { socket }] of sides.entries()) {
    socket.on('message', (packet) => {
      const isStun = packet[0] < 4;
      if (!isStun) sides[1 - index].socket.send(packet);
    });
  }
  const check = () => sides.forEach(({ socket, ice }) => socket.send(bindingRequest(ice)));
  check();
  const ticker = setInterval(check, 500);
  return () => {
    clearInterval(ticker);
    for (const { socket } of sides) socket.close();
  };
}

function bindingRequest({ usernameFragment, password }) {
  const attribute = (type, value) => {
    const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(value.length, 2);
    value.copy(padded, 4);
    return padded;
  };
  const uint32 = (number) => {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(number >>> 0);
    return value;
  };
  const head = Buffer.concat([Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), randomBytes(12)]);
  let message = Buffer.concat([
    head,
    attribute(0x0006, Buffer.from(`${usernameFragment}:check`)),
    attribute(0x0024, uint32(0x7e0000ff)), // PRIORITY
    attribute(0x802a, randomBytes(8)), // ICE-CONTROLLING
    attribute(0x0025, Buffer.alloc(0)), // USE-CANDIDATE
  ]);
  // Each of the two checksums covers a length that already counts itself.
  message.writeUInt16BE(message.length - 20 + 24, 2);
  message = Buffer.concat([message, attribute(0x0008, createHmac('sha1', password).update(message).digest())]);
  message.writeUInt16BE(message.length - 20 + 8, 2);
  return Buffer.concat([message, attribute(0x8028, uint32(crc32(message) ^ 0x5354554e))]);
}

function fail(reason) {
  process.stderr.write(`worker refused: ${reason}\n`);
  process.exit(1);
}
