import type { Browser, Locator, Page, ViewportSize } from 'playwright-core';
import { eventually } from './eventually.ts';

declare global {
  interface Window {
    /** What the demo's page shows of its call to whoever looks into it. */
    readonly demoCall: {
      readonly send: RTCPeerConnection;
      readonly receive: RTCPeerConnection | null;
      readonly user: { readonly userId: string; readonly nodeId: string };
    } | null;
  }
}

/** What arrived of a track that the page shows or plays. */
export interface Received {
  readonly trackId: string;
  readonly bytes: number;
  /** Decoded, and the size of the newest. 0 for audio. */
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  /** Grows with what is heard. 0 for video. */
  readonly loudness: number;
}

export interface SentVideo {
  readonly rid: string | null;
  readonly width: number;
  readonly height: number;
  readonly acknowledged: boolean;
}

export interface DemoPageOptions {
  readonly demoUrl: string;
  readonly roomId: string;
  readonly name: string;
  /** Of the camera; default 360p, for which two sizes are sent. */
  readonly video?: '360p' | '720p';
  /** Default: small, as drawing costs most of the CPU time. */
  readonly viewport?: ViewportSize;
  /** Pixels of the picture per pixel of the page; default 1. */
  readonly deviceScaleFactor?: number;
  /** Done before the page's own scripts. */
  readonly prepare?: (page: Page) => Promise<void>;
}

const SMALL = { width: 800, height: 600 };
/** Long enough where several browsers share two busy cores. */
const PATIENCE = { timeoutMs: 40_000 };

/** A person in front of the demo's page, in a browser profile of their own. */
export class DemoPage {
  readonly page: Page;
  readonly name: string;
  userId = '';
  nodeId = '';
  /** What went wrong in the page; a good call leaves it empty. */
  readonly troubles: string[] = [];

  private constructor(page: Page, name: string) {
    this.page = page;
    this.name = name;
    page.on('pageerror', (error) => this.troubles.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.troubles.push(message.text());
    });
  }

  /** Opens the page, up to the form; `join()` goes on. */
  static async open(browser: Browser, options: DemoPageOptions): Promise<DemoPage> {
    const { demoUrl, roomId, name, video = '360p', viewport = SMALL, deviceScaleFactor = 1 } = options;
    const context = await browser.newContext({ viewport, deviceScaleFactor, locale: 'en-GB' });
    const page = await context.newPage();
    await options.prepare?.(page);
    const person = new DemoPage(page, name);
    const query = new URLSearchParams({ room: roomId, video });
    await page.goto(`${demoUrl}/?${query}`);
    await page.locator('#preview-frame[data-video="on"]').waitFor();
    await page.getByTestId('name-input').fill(name);
    return person;
  }

  /** Presses the button and waits until the call is on the screen. */
  async join(): Promise<void> {
    await this.page.getByTestId('join-button').click();
    await this.page.getByTestId('call').waitFor();
    const user = await this.page.evaluate(() => window.demoCall?.user);
    this.userId = user?.userId ?? '';
    this.nodeId = user?.nodeId ?? '';
  }

  static async enter(browser: Browser, options: DemoPageOptions): Promise<DemoPage> {
    const person = await DemoPage.open(browser, options);
    await person.join();
    return person;
  }

  /** The tile of somebody's camera (our own among them) or screen. */
  tile(person: DemoPage, source: 'camera' | 'screen' = 'camera'): Locator {
    return this.page.locator(`[data-testid="tile"][data-user-id="${person.userId}"][data-source="${source}"]`);
  }

  button(name: 'mic' | 'camera' | 'screen'): Locator {
    return this.page.getByTestId(`toggle-${name}`);
  }

  /** Each track of the others that is on the screen or in the loudspeaker, with what the browser counted of it. */
  received(): Promise<Received[]> {
    return this.page.evaluate(async () => {
      const stats = await window.demoCall?.receive?.getStats();
      const reports = [...(stats?.values() ?? [])].filter(({ type }) => type === 'inbound-rtp');
      const others = '[data-testid="tile"][data-self="false"] video, audio[data-testid="remote-audio"]';
      return [...document.querySelectorAll<HTMLMediaElement>(others)].flatMap((element) => {
        const trackId = element.closest<HTMLElement>('[data-track-id]')?.dataset['trackId'] ?? '';
        const [track] = element.srcObject instanceof MediaStream ? element.srcObject.getTracks() : [];
        const report = reports.find(({ trackIdentifier }) => trackIdentifier === track?.id);
        if (!report) return [];
        return {
          trackId,
          bytes: report.bytesReceived ?? 0,
          frames: report.framesDecoded ?? 0,
          width: report.frameWidth ?? 0,
          height: report.frameHeight ?? 0,
          loudness: report.totalAudioEnergy ?? 0,
        };
      });
    });
  }

  async receivedOf(person: DemoPage, source: string): Promise<Received> {
    const trackId = `${person.userId}:${source}`;
    const track = (await this.received()).find((received) => received.trackId === trackId);
    return track ?? { trackId, bytes: 0, frames: 0, width: 0, height: 0, loudness: 0 };
  }

  /** Waits until somebody's sound keeps coming and is not silence. */
  async hears(person: DemoPage): Promise<void> {
    const before = await this.receivedOf(person, 'microphone');
    await eventually(
      `${this.name} hears ${person.name}`,
      async () => {
        const now = await this.receivedOf(person, 'microphone');
        return now.bytes > before.bytes && now.loudness > before.loudness;
      },
      PATIENCE,
    );
  }

  /**
   * Waits until somebody's picture moves and is on its tile.
   * @param sizes those it is sent in, "640x360"; another is an error.
   */
  async sees(person: DemoPage, source: 'camera' | 'screen', ...sizes: string[]): Promise<void> {
    const before = await this.receivedOf(person, source);
    await eventually(
      `${this.name} sees ${person.name}'s ${source} as ${sizes.join(' or ')}`,
      async () => {
        const now = await this.receivedOf(person, source);
        const moves = now.bytes > before.bytes && now.frames > before.frames + 2;
        if (moves && sizes.includes(`${now.width}x${now.height}`)) return true;
        throw new Error(`${JSON.stringify(now)} after ${JSON.stringify(before)}`);
      },
      PATIENCE,
    );
    await this.tile(person, source).and(this.page.locator('[data-video="on"]')).waitFor();
  }

  /** The size of a picture as its tile shows it, "640x360". */
  async sizeOnScreen(person: DemoPage, source: 'camera' | 'screen'): Promise<string> {
    const video = this.tile(person, source).and(this.page.locator('[data-video="on"]')).locator('video');
    return video.evaluate((element: HTMLVideoElement) => `${element.videoWidth}x${element.videoHeight}`);
  }

  /** What the server acknowledges to have received of each video we send, smallest first. */
  sentVideos(): Promise<SentVideo[]> {
    return this.page.evaluate(async () => {
      const stats = await window.demoCall?.send.getStats();
      const reports = [...(stats?.values() ?? [])];
      return reports
        .filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')
        .map(({ id, rid = null, frameWidth = 0, frameHeight = 0 }) => ({
          rid,
          width: frameWidth,
          height: frameHeight,
          // Receiver reports come for what was received only.
          acknowledged: reports.some(({ type, localId }) => type === 'remote-inbound-rtp' && localId === id),
        }))
        .sort((a, b) => a.width - b.width);
    });
  }

  /** Waits until the other is not on the page any more, nor in what it receives. */
  async losesSightOf(person: DemoPage): Promise<void> {
    await this.page.locator(`[data-user-id="${person.userId}"]`).first().waitFor({ state: 'detached' });
    await eventually(
      `${this.name} receives nothing of ${person.name}`,
      async () => {
        const received = await this.received();
        return received.every(({ trackId }) => !trackId.startsWith(`${person.userId}:`));
      },
      PATIENCE,
    );
  }

  async leave(): Promise<void> {
    await this.page.getByTestId('leave-button').click();
    await this.isOut('left');
  }

  /** Waits for the page that says that the call is over, and why. */
  async isOut(reason: string): Promise<void> {
    await this.page.locator(`[data-testid="ended"][data-reason="${reason}"]`).waitFor();
  }
}
