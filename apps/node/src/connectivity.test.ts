import { expect, it } from 'vitest';
import { connectivityChange, isAwaited, isGone, type Connectivity } from './connectivity.ts';

const state = (publish: Connectivity['publish'], subscribe: Connectivity['subscribe']): Connectivity => ({
  publish,
  subscribe,
});

it('tells the first connection and each return', () => {
  expect(connectivityChange(state('new', 'new'), state('connected', 'new'))).toEqual({ type: 'connected' });
  expect(connectivityChange(state('lost', 'connected'), state('connected', 'connected'))).toEqual({
    type: 'connected',
  });
  expect(connectivityChange(state('connected', 'new'), state('connected', 'connected'))).toBeNull();
});

it('tells each loss with what is lost by now', () => {
  expect(connectivityChange(state('connected', 'connected'), state('lost', 'connected'))).toEqual({
    type: 'disconnected',
    peer: 'publish',
  });
  expect(connectivityChange(state('lost', 'connected'), state('lost', 'lost'))).toEqual({
    type: 'disconnected',
    peer: 'both',
  });
  expect(connectivityChange(state('lost', 'lost'), state('lost', 'lost'))).toBeNull();
  expect(connectivityChange(state('lost', 'lost'), state('connected', 'lost'))).toEqual({
    type: 'disconnected',
    peer: 'subscribe',
  });
});

it('tells nothing of a PeerConnection that is given up, unless the rest stands', () => {
  expect(connectivityChange(state('lost', 'lost'), state(null, 'lost'))).toBeNull();
  expect(connectivityChange(state('connected', 'lost'), state('new', 'lost'))).toBeNull();
  expect(connectivityChange(state('lost', 'connected'), state(null, 'connected'))).toEqual({ type: 'connected' });
});

it('runs the grace time only when nothing is left', () => {
  expect(isGone(state('lost', 'connected'))).toBe(false);
  expect(isGone(state('lost', 'lost'))).toBe(true);
  expect(isGone(state(null, 'lost'))).toBe(true);
  expect(isGone(state('new', 'new'))).toBe(false);
});

it('awaits the first connection until there was one', () => {
  expect(isAwaited(state(null, null))).toBe(true);
  expect(isAwaited(state('new', null))).toBe(true);
  expect(isAwaited(state('new', 'connected'))).toBe(false);
});
