/** What the browsers of the matrix load: the client, with a canvas and an oscillator for camera and microphone. */
import { RecipeClient, type Feeds } from './recipe-client.ts';

declare global {
  interface Window {
    client: RecipeClient;
  }
}

const FRAMES_PER_SECOND = 12;

class PageFeeds implements Feeds {
  #tone: MediaStreamTrack | null = null;
  readonly #pictures = new Map<string, MediaStreamTrack>();

  audio(): MediaStreamTrack {
    this.#tone ??= makeTone();
    return this.#tone.clone();
  }

  video(width: number, height: number): MediaStreamTrack {
    const size = `${width}x${height}`;
    const picture = this.#pictures.get(size) ?? makePicture(width, height);
    this.#pictures.set(size, picture);
    return picture.clone();
  }
}

function makeTone(): MediaStreamTrack {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  const destination = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(destination);
  oscillator.start();
  return firstOf(destination.stream);
}

function makePicture(width: number, height: number): MediaStreamTrack {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no canvas');
  let frame = 0;
  setInterval(() => {
    frame += 1;
    context.fillStyle = `hsl(${frame % 360} 60% 40%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = 'white';
    context.fillRect((frame * 8) % width, height / 4, width / 8, height / 2);
  }, 1000 / FRAMES_PER_SECOND);
  return firstOf(canvas.captureStream(FRAMES_PER_SECOND));
}

function firstOf(stream: MediaStream): MediaStreamTrack {
  const [track] = stream.getTracks();
  if (!track) throw new Error('no track');
  return track;
}

window.client = new RecipeClient(location.origin, new PageFeeds());
