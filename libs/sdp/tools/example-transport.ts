import type { LocalTransportDescription } from '../src/index.ts';

const EXAMPLE_FINGERPRINT = Array.from({ length: 32 }, (_, index) => index.toString(16).padStart(2, '0')).join(':');

/**
 * Stands in for the node's transport where an answer is written without a node. The address is one for
 * documentation (RFC 5737); nothing in it is secret or random, so that the same offer gives the same answer.
 */
export const exampleTransport: LocalTransportDescription = {
  iceParameters: { usernameFragment: 'exampleUfrag', password: 'examplePassword0123456789', iceLite: true },
  iceCandidates: [
    {
      foundation: 'udpcandidate',
      priority: 1_076_302_079,
      ip: '192.0.2.1',
      address: '192.0.2.1',
      protocol: 'udp',
      port: 44_444,
      type: 'host',
    },
  ],
  dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: EXAMPLE_FINGERPRINT }] },
};

export const EXAMPLE_SDP_SESSION_ID = '8123456789';
