import wrtc from '@roamhq/wrtc';
import type { Feed } from './wrtc-user.ts';

const { RTCAudioSource, RTCVideoSource } = wrtc.nonstandard;
const SAMPLE_RATE = 48_000;
/** What an audio source takes at a time: 10 ms. */
const BLOCK = SAMPLE_RATE / 100;
const FRAMES_PER_SECOND = 15;

/** @param amplitudes of a 1 kHz tone in each channel, up to 32767. */
export function sound(...amplitudes: number[]): Feed {
  const source = new RTCAudioSource();
  const track = source.createTrack();
  const channelCount = amplitudes.length;
  const samples = new Int16Array(BLOCK * channelCount).map((_, index) => {
    const angle = (2 * Math.PI * 1000 * Math.floor(index / channelCount)) / SAMPLE_RATE;
    return (amplitudes[index % channelCount] ?? 0) * Math.sin(angle);
  });
  const block = { samples, sampleRate: SAMPLE_RATE, channelCount, bitsPerSample: 16, numberOfFrames: BLOCK };
  const timer = setInterval(() => source.onData(block), 10);
  return { track, stop: () => (clearInterval(timer), track.stop()) };
}

/** A picture that moves and is grainy, so that an encoder has use for every bit it may spend. */
export function picture(width: number, height: number): Feed {
  const source = new RTCVideoSource();
  const track = source.createTrack();
  // Made beforehand: drawing while sending would take the time of what is tested.
  const frames = Array.from({ length: 6 }, (_, index) => drawFrame(width, height, index));
  let next = 0;
  const timer = setInterval(() => {
    const data = frames[(next += 1) % frames.length];
    if (data) source.onFrame({ width, height, data });
  }, 1000 / FRAMES_PER_SECOND);
  return { track, stop: () => (clearInterval(timer), track.stop()) };
}

/** I420: luminance, then two colours at a quarter of the size. */
function drawFrame(width: number, height: number, phase: number): Uint8Array {
  const data = new Uint8Array(width * height * 1.5).fill(128);
  let grain = phase + 1;
  for (let index = 0; index < width * height; index += 1) {
    grain = (grain * 48_271) % 0x7fff_ffff;
    const x = index % width;
    const y = Math.floor(index / width);
    data[index] = 112 + 60 * Math.sin((x + 4 * phase) / 9) * Math.sin((y + 2 * phase) / 7) + (grain % 32);
  }
  return data;
}
