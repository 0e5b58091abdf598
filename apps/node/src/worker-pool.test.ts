import { expect, it } from 'vitest';
import { iceCandidates } from './worker-pool.ts';

it('writes UDP before TCP, in the order announced, with the announced ports', () => {
  const candidates = iceCandidates(
    [
      { ip: '203.0.113.5', udpPort: 30_000, tcpPort: 30_001 },
      { ip: '10.0.0.7', udpPort: null, tcpPort: null },
    ],
    44_400,
  );
  expect(candidates.map(({ protocol, address, port, tcpType }) => ({ protocol, address, port, tcpType }))).toEqual([
    { protocol: 'udp', address: '203.0.113.5', port: 30_000, tcpType: undefined },
    { protocol: 'udp', address: '10.0.0.7', port: 44_400, tcpType: undefined },
    { protocol: 'tcp', address: '203.0.113.5', port: 30_001, tcpType: 'passive' },
    { protocol: 'tcp', address: '10.0.0.7', port: 44_400, tcpType: 'passive' },
  ]);
  const priorities = candidates.map(({ priority }) => priority);
  expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
  expect(new Set(priorities).size).toBe(4);
  for (const priority of priorities) expect(priority).toBeLessThan(2 ** 31);
});
