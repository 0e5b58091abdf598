import { joinRequestSchema, ProblemError } from '@mediaserver/contracts';
import { RegistryError } from '@mediaserver/registry';
import { describe, expect, it } from 'vitest';
import { pickSession } from './coordinator.ts';
import { underRequestId } from './request-id.ts';
import { fakeCoordinator, room, sessionRecord } from './coordinator.test-support.ts';

const request = (more: object = {}) => joinRequestSchema.parse({ userId: 'anna', ...more });
const refuse = (code: ConstructorParameters<typeof ProblemError>[0]) => () => {
  throw new ProblemError(code);
};

describe('join', () => {
  it('invariant 3: the registry admits before the node hears of it, with the epoch of the room', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    const result = await coordinator.join('default', 'r', request());
    expect(result).toMatchObject({ user: { userId: 'anna', nodeId: 'node-1', state: 'joined' }, lastSeq: 2 });
    expect(control.commands()).toEqual(['node-1 session.create']);
    expect(control.sent[0]).toMatchObject({ epoch: 7, params: { members: [], session: { state: 'joining' } } });
    const [admitted] = registry.admitSession.mock.calls[0] ?? [];
    expect(admitted?.candidates.map(({ nodeId }) => nodeId)).toEqual(['node-1', 'node-2']);
  });

  it('invariant 1: an SDP that the node refuses is withdrawn, with nothing sent after it', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    control.answers['session.create'] = refuse('malformed_sdp');
    await expect(coordinator.join('default', 'r', request())).rejects.toMatchObject({ code: 'malformed_sdp' });
    expect(registry.withdrawSession).toHaveBeenCalledOnce();
    expect(control.commands()).toEqual(['node-1 session.create']);
  });

  it('sends once more under the same key, then withdraws and takes another node', async () => {
    const { coordinator, registry, control, background } = fakeCoordinator();
    control.answers['session.create'] = (nodeId) => {
      if (nodeId === 'node-1') throw new ProblemError('node_unavailable');
      return { publish: null, subscribe: null, lastSeq: 5 };
    };
    control.answers['session.close'] = refuse('session_gone');
    const result = await coordinator.join('default', 'r', request());
    await background.close();
    expect(result.user.nodeId).toBe('node-2');
    const [first, second, third] = control.sent.filter(({ command }) => command === 'session.create');
    expect(second?.key).toBe(first?.key);
    expect(third).toMatchObject({ nodeId: 'node-2', params: { members: [{ nodeId: 'node-1' }] } });
    expect(third?.key).not.toBe(first?.key);
    expect(registry.withdrawSession).toHaveBeenCalledOnce();
    expect(control.commands()).toContain('node-1 session.close');
  });

  it('answers node_unavailable when no node takes it', async () => {
    const { coordinator, registry, control, background } = fakeCoordinator();
    control.answers['session.create'] = refuse('deadline_exceeded');
    await expect(coordinator.join('default', 'r', request())).rejects.toMatchObject({ code: 'node_unavailable' });
    await background.close();
    expect(registry.withdrawSession).toHaveBeenCalledTimes(2);
  });

  it('answers no_capacity with the reasons, after a look at fresh figures', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    registry.admitSession.mockResolvedValue({ status: 'no_candidate', refusals: { 'node-1': 'full' } });
    await expect(coordinator.join('default', 'r', request())).rejects.toMatchObject({
      code: 'no_capacity',
      message: 'node-1 full',
    });
    expect(control.commands()).toEqual([]);
    expect(registry.listNodes.mock.calls.length).toBeGreaterThan(1);
  });

  it('answers no_capacity with what the policy left out, and counts the nodes by state', async () => {
    const { coordinator, registry, metrics } = fakeCoordinator();
    const [first, second] = await registry.listNodes();
    if (!first || !second) throw new Error('there are two nodes');
    registry.listNodes.mockResolvedValue([
      { ...first, load: { ...first.load, ratio: 0.95 } },
      { ...second, alive: false },
    ]);
    await expect(coordinator.join('default', 'r', request())).rejects.toMatchObject({
      code: 'no_capacity',
      message: 'node-1 full, node-2 lease_lapsed',
    });
    expect((await metrics.nodes.get()).values.map(({ labels, value }) => [labels.state, value])).toEqual([
      ['ready', 1],
      ['stopping', 0],
      ['lost', 1],
    ]);
  });

  it('gives the node the id of the API request it works for', async () => {
    const { coordinator, control } = fakeCoordinator();
    await underRequestId('req-1', () => coordinator.join('default', 'r', request()));
    await coordinator.join('default', 'r', request());
    expect(control.sent.map(({ requestId }) => requestId)).toEqual(['req-1', undefined]);
  });

  it('makes the room anew if it was closed in between, when the caller gave a specification', async () => {
    const { coordinator, registry } = fakeCoordinator();
    registry.admitSession.mockResolvedValueOnce({ status: 'room_not_found' });
    registry.getRoomPlacement.mockResolvedValueOnce({ room, sessionsPerNode: {} }).mockResolvedValueOnce(null);
    await coordinator.join('default', 'r', request({ room: {} }));
    expect(registry.createRoom).toHaveBeenCalledOnce();
  });

  it('refuses an unknown room', async () => {
    const { coordinator, registry } = fakeCoordinator();
    registry.getRoomPlacement.mockResolvedValue(null);
    await expect(coordinator.join('default', 'r', request())).rejects.toMatchObject({ code: 'room_not_found' });
    expect(registry.createRoom).not.toHaveBeenCalled();
  });

  it('closes what it replaces on the node where that is', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    const old = sessionRecord('old', { nodeId: 'node-2', bootId: 'node-2-boot' });
    registry.admitSession.mockResolvedValue({
      status: 'admitted',
      room,
      session: sessionRecord('new', { state: 'joining' }),
      memberNodeIds: ['node-1', 'node-2'],
      replaces: [old],
    });
    await coordinator.join('default', 'r', request());
    expect(control.sent.at(-1)).toMatchObject({
      nodeId: 'node-2',
      command: 'session.close',
      params: { sessionId: 'old', reason: 'replaced' },
    });
  });
});

describe('calls on a session', () => {
  const anna = { tenant: 'default', roomId: 'r', userId: 'anna' };

  it('go to where the user was last seen while the registry does not answer', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    control.answers['session.offer'] = () => ({ offer: null });
    const down = new RegistryError('registry_unavailable', 'down');
    registry.findSessions.mockRejectedValueOnce(down);
    await expect(coordinator.currentOffer(anna)).rejects.toBe(down);
    await coordinator.currentOffer(anna);
    registry.findSessions.mockRejectedValue(down);
    await expect(coordinator.currentOffer(anna)).resolves.toBeNull();
    await expect(coordinator.currentOffer({ ...anna, sessionId: 'old' })).rejects.toMatchObject({
      code: 'stale_session',
    });
  });

  it('resume goes to the session named, with the seq to replay from, also without the registry', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    control.answers['session.resume'] = () => ({ publish: null, subscribe: null });
    const request = { sessionId: 's-1', reset: 'none' as const };
    await expect(coordinator.resume(anna, request)).resolves.toMatchObject({ user: { sessionId: 's-1' }, lastSeq: 2 });
    expect(control.sent.at(-1)?.params).toEqual({ ...request, roomSessionId: room.roomSessionId });
    registry.findSessions.mockRejectedValue(new RegistryError('registry_unavailable', 'down'));
    await expect(coordinator.resume(anna, request)).resolves.toMatchObject({ lastSeq: 2 });
  });

  it('resume refuses a session that is not current, or has ended', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    const resume = (sessionId: string) => coordinator.resume(anna, { sessionId, reset: 'all' });
    await expect(resume('old')).rejects.toMatchObject({ code: 'stale_session' });
    registry.findSessions.mockResolvedValue({ room, sessions: [], lastSeq: 3 });
    await expect(resume('s-1')).rejects.toMatchObject({ code: 'session_gone' });
    registry.findSessions.mockResolvedValue(null);
    await expect(resume('s-1')).rejects.toMatchObject({ code: 'room_not_found' });
    expect(control.sent).toEqual([]);
  });

  it('leaving works without the node: the registry ends the session', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    control.answers['session.close'] = refuse('node_unavailable');
    await coordinator.leave(anna, 'left');
    expect(registry.endSession).toHaveBeenCalledWith(expect.objectContaining({ sessionId: 's-1' }), 'left');
  });

  it('leaving is done when the node knows the session no more', async () => {
    const { coordinator, registry, control } = fakeCoordinator();
    control.answers['session.close'] = refuse('session_gone');
    await coordinator.leave(anna, 'left');
    expect(registry.endSession).toHaveBeenCalledOnce();
  });

  it('a node that was restarted is unavailable', async () => {
    const { coordinator, registry } = fakeCoordinator();
    registry.findSessions.mockResolvedValue({
      room,
      sessions: [sessionRecord('s-1', { bootId: 'before' })],
      lastSeq: 2,
    });
    await expect(coordinator.currentOffer(anna)).rejects.toMatchObject({ code: 'node_unavailable' });
  });
});

describe('pickSession', () => {
  const joined = [sessionRecord('s-1'), sessionRecord('s-2'), sessionRecord('s-3', { state: 'joining' })];

  it('takes the newest that has joined', () => {
    expect(pickSession({ room, sessions: joined }, undefined).session.sessionId).toBe('s-2');
  });
  it('refuses one that is not current', () => {
    expect(() => pickSession({ room, sessions: joined }, 's-1')).toThrow(
      expect.objectContaining({ code: 'stale_session' }),
    );
  });
  it('takes any where devices are allowed side by side', () => {
    const allowing = { ...room, spec: { ...room.spec, onSecondDevice: 'allow' as const } };
    expect(pickSession({ room: allowing, sessions: joined }, 's-1').session.sessionId).toBe('s-1');
  });
  it('tells an unknown room from an unknown user', () => {
    expect(() => pickSession(null, undefined)).toThrow(expect.objectContaining({ code: 'room_not_found' }));
    expect(() => pickSession({ room, sessions: [] }, undefined)).toThrow(
      expect.objectContaining({ code: 'user_not_found' }),
    );
  });
});
