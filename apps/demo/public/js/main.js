/** Puts the screens, the devices and the call together. */
import { Problem, sleep } from './api.js';
import { Call } from './call.js';
import { CallView } from './call-view.js';
import { byId, toast } from './dom.js';
import { deviceMessage, JoinView } from './join-view.js';
import { randomRoom, toRoomId } from './layout.js';
import { LocalMedia } from './media.js';
import { fillTexts, t } from './texts.js';

/** Reasons after which joining again is what everybody would do anyway. */
const COME_BACK = new Set(['connection_lost', 'media_failed', 'node_lost', 'rejoin', 'unknown_session']);
const COME_BACK_TRIES = 4;
const STORED_IDENTITY = 'demo.identity';

const address = new URL(location.href);
const media = new LocalMedia(address.searchParams.get('video'));
/** @type {Call | null} */
let call = null;
let name = '';
let roomId = toRoomId(address.searchParams.get('room') ?? '') || randomRoom(Math.random);

fillTexts();
document.title = t.brand;

const joinView = new JoinView(media, {
  room: roomId,
  onJoin(chosenName, chosenRoom) {
    name = chosenName;
    roomId = chosenRoom;
    void enter();
  },
});
const callView = new CallView(media, {
  microphone: () => void run(toggleMicrophone),
  camera: () => void run(toggleCamera),
  screen: () => void run(toggleScreen),
  leave,
  copyLink: () => void run(copyLink),
});

byId('rejoin').addEventListener('click', () => void start());
byId('home').addEventListener('click', () => location.assign('/'));
media.addEventListener(
  'ended',
  (event) => void run(() => sourceEnded(/** @type {CustomEvent} */ (event).detail.source)),
);
addEventListener('pagehide', () => call?.leave());
// Restored from the browser's cache: the call is over, begin anew.
addEventListener('pageshow', (event) => event.persisted && location.reload());

/** For debugging and measurements in the console; the page itself does not use it. */
Object.defineProperty(window, 'demoCall', {
  get: () => call && { ...call.peerConnections, user: call.user, connection: call.connection },
});

await start();

async function start() {
  byId('ended').hidden = true;
  joinView.show();
  await media.open();
}

async function enter() {
  joinView.setBusy(true);
  media.resumeMeter();
  try {
    await join();
    joinView.hide();
    address.searchParams.set('room', roomId);
    history.replaceState(null, '', address);
    document.title = `${roomId} · ${t.brand}`;
  } catch (error) {
    joinView.setBusy(false);
    joinView.showError(wordsFor(error));
  }
}

async function join() {
  const before = call;
  const identity = sessionStorage.getItem(STORED_IDENTITY);
  const joined = await Call.join({ roomId, name, identity, tracks: media.tracks });
  if (call !== before) {
    // The person left while we were on the way back.
    joined.leave();
    return;
  }
  call = joined;
  sessionStorage.setItem(STORED_IDENTITY, joined.identity);
  joined.addEventListener('change', () => callView.render());
  joined.addEventListener('problem', (event) => toast(wordsFor(/** @type {CustomEvent} */ (event).detail), 'error'));
  joined.addEventListener('fact', (event) => announce(joined, /** @type {CustomEvent} */ (event).detail));
  joined.addEventListener('ended', (event) => void ended(joined, /** @type {CustomEvent} */ (event).detail.reason));
  callView.show(joined, roomId);
  if (media.tracks.has('microphone') && !media.wanted.microphone) {
    await run(() => joined.setMuted('microphone', true));
  }
}

function leave() {
  const onTheWayBack = call?.over;
  call?.leave();
  if (onTheWayBack) finish('left');
}

/** @param {Call} over @param {string} reason */
async function ended(over, reason) {
  if (over !== call) return;
  if (COME_BACK.has(reason)) await comeBack(over);
  if (over === call) finish(reason);
}

/** Joins again as the same user, with the same devices. @param {Call} over */
async function comeBack(over) {
  byId('connection').dataset['state'] = 'reconnecting';
  byId('connection-text').textContent = t.state.reconnecting;
  for (let tried = 0; tried < COME_BACK_TRIES && over === call; tried += 1) {
    try {
      await join();
      return;
    } catch (error) {
      if (error instanceof Problem && !error.retryable) return;
      await sleep(1000 * 2 ** tried);
    }
  }
}

/** @param {string} reason */
function finish(reason) {
  call = null;
  media.stopAll();
  callView.hide();
  const texts = /** @type {Record<string, string[]>} */ (t.ended);
  const [title = '', text = ''] = texts[reason] ?? t.ended.other;
  byId('ended-title').textContent = title;
  byId('ended-text').textContent = text;
  byId('ended').dataset['reason'] = reason;
  byId('ended').hidden = false;
  byId('ended-title').focus();
}

async function toggleMicrophone() {
  if (!media.tracks.has('microphone')) {
    media.wanted.microphone = true;
    const track = await media.openDevice('microphone');
    if (track) await call?.send('microphone', track);
    else toast(deviceMessage(media, 'microphone'), 'error');
    return;
  }
  media.setMicrophone(!media.wanted.microphone);
  await call?.setMuted('microphone', !media.wanted.microphone);
}

async function toggleCamera() {
  if (media.tracks.has('camera')) {
    media.stop('camera');
    await call?.pause('camera');
    return;
  }
  const track = await media.openDevice('camera');
  if (track) await call?.send('camera', track);
  else toast(deviceMessage(media, 'camera'), 'error');
}

async function toggleScreen() {
  if (media.tracks.has('screen')) {
    await stopScreen();
    return;
  }
  if (!(await media.openScreen())) return;
  try {
    const [screen, sound] = [media.tracks.get('screen'), media.tracks.get('screen-audio')];
    if (screen) await call?.send('screen', screen);
    if (sound) await call?.send('screen-audio', sound);
  } catch (error) {
    // One of the two may be published already; what failed is the news, not that this failed as well.
    await stopScreen().catch(() => undefined);
    throw error;
  }
}

async function stopScreen() {
  media.stop('screen');
  media.stop('screen-audio');
  await call?.unpublish(['screen', 'screen-audio']);
}

/** A device was pulled out, or sharing was stopped with the browser's own button. @param {string} source */
async function sourceEnded(source) {
  if (source.startsWith('screen')) await stopScreen();
  else if (call) {
    toast(deviceMessage(media, source), 'error');
    await call.pause(source);
  }
}

async function copyLink() {
  const link = new URL(location.href);
  link.search = '';
  link.searchParams.set('room', roomId);
  await navigator.clipboard.writeText(link.href);
  toast(t.linkCopied);
}

/** @param {Call} current @param {{ type: string, data: any }} fact */
function announce(current, { type, data }) {
  if (type === 'user.joined' && data.user.userId !== current.user.userId)
    toast(t.joined(data.user.displayName ?? data.user.userId));
}

/** @param {() => Promise<unknown>} action */
async function run(action) {
  try {
    await action();
  } catch (error) {
    if (error instanceof Problem && error.code === 'closed') return;
    toast(wordsFor(error), 'error');
  }
}

/** @param {unknown} error @returns {string} */
function wordsFor(error) {
  console.error(error);
  const known = /** @type {Record<string, unknown>} */ (t.problem);
  const text = error instanceof Problem ? known[error.code] : undefined;
  return typeof text === 'string' ? text : t.problem.other(error instanceof Error ? error.message : String(error));
}
