/** A few figures from `getStats()`, in words. */

/** @type {Map<string, { bytes: number, at: number }>} */
const before = new Map();

/** @param {{ send: RTCPeerConnection, receive: RTCPeerConnection | null }} connections */
export async function readStats({ send, receive }) {
  const [sent, received] = await Promise.all([send.getStats(), receive?.getStats()]);
  const all = [...sent.values(), ...(received?.values() ?? [])];
  const pair = all.find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
  const local = pair && all.find((entry) => entry.id === pair.localCandidateId);
  const videos = all
    .filter(
      (entry) => entry.type === 'outbound-rtp' && entry.kind === 'video' && entry.frameHeight && entry.active !== false,
    )
    .sort((a, b) => a.frameHeight - b.frameHeight);
  const inbound = all.filter((entry) => entry.type === 'inbound-rtp');
  const lost = sum(inbound, 'packetsLost');
  const packets = sum(inbound, 'packetsReceived');
  return {
    up: rate(
      'up',
      all.filter((entry) => entry.type === 'outbound-rtp'),
      'bytesSent',
    ),
    down: rate('down', inbound, 'bytesReceived'),
    rtt: pair?.currentRoundTripTime === undefined ? '' : `${Math.round(pair.currentRoundTripTime * 1000)} ms`,
    loss: packets > 0 ? `${((100 * Math.max(0, lost)) / (packets + Math.max(0, lost))).toFixed(1)} %` : '',
    sent: videos.map((entry) => `${entry.frameWidth}×${entry.frameHeight}`).join(', '),
    codecs: [
      ...new Set(all.filter((entry) => entry.type === 'codec').map((entry) => entry.mimeType.split('/')[1])),
    ].join(', '),
    route: local ? `${local.protocol}${local.candidateType === 'relay' ? ' (TURN)' : ''} · DTLS-SRTP` : '',
  };
}

/** @param {any[]} entries @param {string} field */
function sum(entries, field) {
  return entries.reduce((total, entry) => total + (entry[field] ?? 0), 0);
}

/** @param {string} key @param {any[]} entries @param {string} field */
function rate(key, entries, field) {
  const now = { bytes: sum(entries, field), at: performance.now() };
  const last = before.get(key);
  before.set(key, now);
  if (!last || now.bytes < last.bytes) return '';
  const kbps = ((now.bytes - last.bytes) * 8) / (now.at - last.at);
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;
}
