/** libwebrtc in Node, the engine of the Android and iOS SDKs: the recipe runs with its classes for those of a page. */
import wrtc from '@roamhq/wrtc';
import wrtcPackage from '@roamhq/wrtc/package.json' with { type: 'json' };
import type { OpenClient } from './matrix.ts';
import { RecipeClient, type Feeds } from './recipe-client.ts';

const { nonstandard } = wrtc;
const FRAME_MS = 80;

class WrtcFeeds implements Feeds {
  #timers: NodeJS.Timeout[] = [];
  #tone: InstanceType<typeof nonstandard.RTCAudioSource> | null = null;
  readonly #pictures = new Map<string, InstanceType<typeof nonstandard.RTCVideoSource>>();

  audio(): MediaStreamTrack {
    this.#tone ??= this.#startTone();
    return this.#tone.createTrack();
  }

  video(width: number, height: number): MediaStreamTrack {
    const size = `${width}x${height}`;
    const picture = this.#pictures.get(size) ?? this.#startPicture(width, height);
    this.#pictures.set(size, picture);
    return picture.createTrack();
  }

  #startTone() {
    const source = new nonstandard.RTCAudioSource();
    const samples = new Int16Array(480).map((_, index) => 8000 * Math.sin((2 * Math.PI * index) / 48));
    this.#timers.push(setInterval(() => source.onData({ samples, sampleRate: 48_000 }), 10));
    return source;
  }

  #startPicture(width: number, height: number) {
    const source = new nonstandard.RTCVideoSource();
    const data = new Uint8Array(width * height * 1.5).fill(128);
    let frame = 0;
    const draw = () => {
      frame += 1;
      data.fill(64 + (frame % 128), 0, width * height);
      source.onFrame({ width, height, data });
    };
    this.#timers.push(setInterval(draw, FRAME_MS));
    return source;
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }
}

export async function openWrtc(backendUrl: string): Promise<OpenClient> {
  const { RTCPeerConnection, RTCRtpSender, RTCRtpReceiver } = wrtc;
  Object.assign(globalThis, { RTCPeerConnection, RTCRtpSender, RTCRtpReceiver });
  const feeds = new WrtcFeeds();
  const client = new RecipeClient(backendUrl, feeds);
  return { client, version: `@roamhq/wrtc ${wrtcPackage.version}, libwebrtc M106`, close: async () => feeds.stop() };
}
