import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EventEnvelope } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api, refused } from '../support/api.ts';
import { launchChromium } from '../support/chromium.ts';
import { DemoPage } from '../support/demo-page.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges, openUdpPorts } from '../support/node-state.ts';
import { isRunning, processTree } from '../support/processes.ts';

/** The sender's bandwidth estimate has to grow first, which is slow where browsers starve for CPU. */
const PATIENCE = { timeoutMs: 60_000 };

/** The sizes in which the pages send their cameras, the larger being what the camera gives. */
const CAMERA = ['640x360', '320x180'] as const;

let cluster: Cluster;
let browser: Browser;
let api: Api;
let roomId = '';
const people: DemoPage[] = [];

beforeAll(async () => {
  cluster = await startCluster({ ports: 'free', demo: true });
  browser = await launchChromium();
  api = new Api(cluster);
});

beforeEach(() => {
  roomId = `room-${randomUUID().slice(0, 8)}`;
});

afterEach(async () => {
  const troubles = people.flatMap((person) => person.troubles.map((trouble) => `${person.name}: ${trouble}`));
  await Promise.all(people.splice(0).map(({ page }) => page.context().close()));
  await api?.call('DELETE', `/rooms/${roomId}`).catch(() => undefined);
  expect(troubles).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
});

async function open(name: string, options: { video?: '720p' } = {}): Promise<DemoPage> {
  const person = await DemoPage.open(browser, { demoUrl: cluster.demoUrl, roomId, name, ...options });
  people.push(person);
  return person;
}

/** Pages open side by side; their people join one after the other. */
async function enter<const Opened extends readonly DemoPage[]>(opening: Promise<Opened>): Promise<Opened> {
  const opened = await opening;
  for (const person of opened) await person.join();
  return opened;
}

describe('the demo in Chromium', () => {
  it('three people on two nodes see and hear each other, whoever comes late', async () => {
    const [anna, boris] = await enter(Promise.all([open('Anna'), open('Boris')]));
    await anna.sees(boris, 'camera', ...CAMERA);
    await boris.sees(anna, 'camera', ...CAMERA);
    const clara = await open('Clara');
    await clara.join();

    const everybody = [anna, boris, clara];
    for (const person of everybody) {
      for (const other of everybody.filter((one) => one !== person)) {
        await person.hears(other);
        await person.sees(other, 'camera', ...CAMERA);
      }
    }
    await anna.sees(boris, 'camera', CAMERA[0]);

    expect(new Set(everybody.map(({ nodeId }) => nodeId))).toEqual(new Set(['node-1', 'node-2']));
    for (const person of everybody) {
      expect(await person.page.getByTestId('tile').count()).toBe(3);
      expect(await person.page.getByTestId('participant-count').textContent()).toContain('3');
      for (const other of everybody) {
        const tile = person.tile(other);
        const name = other === person ? `${other.name} (you)` : other.name;
        expect(await tile.locator('.tile-name').textContent()).toBe(name);
        expect(await tile.locator('.node').textContent()).toBe(other.nodeId);
      }
    }
    expect((await nodeGauges(cluster)).pipes).toBe(2);
  });

  it('muting and switching off the camera shows at the others, and can be undone', async () => {
    const [anna, boris] = await enter(Promise.all([open('Anna'), open('Boris')]));
    await boris.hears(anna);
    await boris.sees(anna, 'camera', ...CAMERA);
    const shown = (state: string) => boris.tile(anna).and(boris.page.locator(state)).waitFor();

    await anna.button('mic').click();
    await shown('[data-microphone="off"]');
    await eventually('nothing is heard', async () => {
      const before = await boris.receivedOf(anna, 'microphone');
      // The fake microphone beeps every second; the camera's frames tell that time has passed.
      await boris.sees(anna, 'camera', ...CAMERA);
      return (await boris.receivedOf(anna, 'microphone')).bytes === before.bytes;
    });
    await anna.button('mic').click();
    await shown('[data-microphone="on"]');
    await boris.hears(anna);

    await anna.button('camera').click();
    await shown('[data-video="off"]');
    await anna.button('camera').click();
    await boris.sees(anna, 'camera', ...CAMERA);
  });

  it('a screen share starts and stops next to the camera', async () => {
    const [anna, boris] = await enter(Promise.all([open('Anna'), open('Boris')]));
    await anna.button('screen').click();
    const screen = await anna.sizeOnScreen(anna, 'screen');
    await boris.sees(anna, 'screen', screen);
    await boris.sees(anna, 'camera', ...CAMERA);
    await anna.page.getByTestId('sharing').waitFor();
    expect(await boris.page.getByTestId('call').getAttribute('data-layout')).toBe('stage');

    const clara = await open('Clara');
    await clara.join();
    await clara.sees(anna, 'screen', screen);

    await anna.button('screen').click();
    for (const person of [boris, clara]) {
      await person.tile(anna, 'screen').waitFor({ state: 'detached' });
      await person.sees(anna, 'camera', ...CAMERA);
    }
    await anna.button('screen').click();
    await boris.sees(anna, 'screen', screen);
  });

  it('who leaves or closes the window disappears for the others at once', async () => {
    const [anna, boris, clara] = await enter(Promise.all([open('Anna'), open('Boris'), open('Clara')]));
    await anna.sees(boris, 'camera', ...CAMERA);
    await anna.sees(clara, 'camera', ...CAMERA);

    await boris.leave();
    await anna.losesSightOf(boris);
    // Not given up by the server after a time: the page said so with its last breath.
    await clara.page.close();
    await anna.losesSightOf(clara);
    const { events } = await api.call<{ events: EventEnvelope[] }>('GET', `/rooms/${roomId}/events`);
    const left = { type: 'user.left', data: { userId: clara.userId, reason: 'left' } };
    expect(events).toContainEqual(expect.objectContaining({ ...left, data: expect.objectContaining(left.data) }));
    expect(await anna.page.getByTestId('tile').count()).toBe(1);
  });

  it('a camera is sent in three sizes, all of which reach the node', async () => {
    // One after the other: the first to open the one fake camera decides what it gives.
    const anna = await open('Anna', { video: '720p' });
    const boris = await open('Boris');
    await anna.join();
    await boris.join();
    await boris.sees(anna, 'camera', '320x180', '640x360', '1280x720');
    await eventually(
      'three sizes are acknowledged',
      async () => {
        const sent = await anna.sentVideos();
        expect(sent).toEqual([
          { rid: 'q', width: 320, height: 180, acknowledged: true },
          { rid: 'h', width: 640, height: 360, acknowledged: true },
          { rid: 'f', width: 1280, height: 720, acknowledged: true },
        ]);
        return true;
      },
      PATIENCE,
    );
    await boris.sees(anna, 'camera', '320x180', '640x360', '1280x720');
  });

  it('nothing is left when the room is closed, nor when the cluster has stopped', async () => {
    const [anna, boris, clara] = await enter(Promise.all([open('Anna'), open('Boris'), open('Clara')]));
    await anna.sees(clara, 'camera', ...CAMERA);
    await clara.sees(boris, 'camera', ...CAMERA);
    expect((await openUdpPorts(cluster)).pipes).toBeGreaterThan(0);
    await clara.leave();

    await api.call('DELETE', `/rooms/${roomId}`);
    await Promise.all([anna, boris].map((person) => person.isOut('room_closed')));
    await eventually('both nodes are empty', async () => {
      const gauges = await nodeGauges(cluster);
      return Object.values(gauges).every((value) => value === 0);
    });
    expect(await openUdpPorts(cluster)).toEqual({ pipes: 0 });
    await expect(api.refusal('GET', `/rooms/${roomId}`)).resolves.toEqual(refused('room_not_found'));

    const names = ['redis', 'coordinator', 'node-1', 'node-2', 'demo'];
    const processes = names.flatMap((name) => processTree(cluster.pid(name) ?? 0));
    const workers = 2;
    expect(processes).toHaveLength(names.length + workers);
    await cluster.stop();
    expect(processes.filter(isRunning)).toEqual([]);
  });
});
