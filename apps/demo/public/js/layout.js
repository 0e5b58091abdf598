/** Pure helpers of the view. */

/**
 * The arrangement that shows `count` tiles as large as they can be.
 *
 * @param {number} count @param {number} width @param {number} height @param {number} gap
 * @returns {{ columns: number, tileWidth: number, tileHeight: number }}
 */
export function bestGrid(count, width, height, gap) {
  // A tile may be cropped towards the shape of the window, but not out of recognition.
  const narrowest = width < height ? 3 / 4 : 4 / 3;
  const widest = 16 / 9;
  let best = { columns: 1, tileWidth: 0, tileHeight: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const aspect = Math.min(widest, Math.max(narrowest, cellWidth / cellHeight));
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * aspect));
    const tileHeight = Math.floor(tileWidth / aspect);
    if (tileWidth * tileHeight > best.tileWidth * best.tileHeight) best = { columns, tileWidth, tileHeight };
  }
  return best;
}

/** @param {string} name @returns {string} one or two letters */
export function initials(name) {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters
    .map((word) => [...(word ?? '?')][0] ?? '?')
    .join('')
    .toUpperCase();
}

/** @param {string} text @param {number} range @returns {number} the same for the same text; neighbours such as node-1 and node-2 differ */
export function hueIndex(text, range) {
  let sum = 0;
  for (const char of text) sum += char.codePointAt(0) ?? 0;
  return sum % range;
}

/** @param {string} text @returns {string} what the server takes as a room id, or '' */
export function toRoomId(text) {
  return text
    .trim()
    .replaceAll(/\s+/g, '-')
    .replaceAll(/[^A-Za-z0-9._~@+-]/g, '')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
}

const FIRST = ['quiet', 'bright', 'north', 'silver', 'amber', 'clear', 'green', 'calm'];
const SECOND = ['harbor', 'meadow', 'river', 'bridge', 'garden', 'summit', 'forest', 'island'];

/** @param {() => number} random @returns {string} */
export function randomRoom(random) {
  const pick = (/** @type {string[]} */ list) => list[Math.floor(random() * list.length)];
  return `${pick(FIRST)}-${pick(SECOND)}-${100 + Math.floor(random() * 900)}`;
}

/** @param {number} ms @returns {string} m:ss, or h:mm:ss */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
