/** @template {Element} [T=HTMLElement] @param {string} id @returns {T} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return /** @type {T} */ (/** @type {unknown} */ (element));
}

/** @param {Element} parent @param {string} selector @returns {HTMLElement} */
export function within(parent, selector) {
  const element = parent.querySelector(selector);
  if (!element) throw new Error(`no element ${selector}`);
  return /** @type {HTMLElement} */ (element);
}

/** A button with an icon, a name for everybody and a pressed state. @param {HTMLElement} button @param {{ icon: string, label: string, off?: boolean, active?: boolean, key?: string }} look */
export function setButton(button, { icon, label, off = false, active = false, key }) {
  button.querySelector('use')?.setAttribute('href', `#i-${icon}`);
  button.setAttribute('aria-label', label);
  button.title = key ? `${label} (${key})` : label;
  if (key) button.setAttribute('aria-keyshortcuts', key);
  button.dataset['off'] = String(off);
  button.dataset['active'] = String(active);
}

/** Shows the track, without starting again where it is shown already. @param {HTMLMediaElement} element @param {MediaStreamTrack | null} track */
export function showTrack(element, track) {
  const current = element.srcObject instanceof MediaStream ? (element.srcObject.getTracks()[0] ?? null) : null;
  if (current === track) return;
  element.srcObject = track ? new MediaStream([track]) : null;
}

/** @param {string} text @param {'plain' | 'error'} [kind] */
export function toast(text, kind = 'plain') {
  const element = document.createElement('div');
  element.className = 'toast';
  element.dataset['kind'] = kind;
  element.textContent = text;
  byId('toasts').append(element);
  setTimeout(() => element.remove(), kind === 'error' ? 8000 : 3500);
}
