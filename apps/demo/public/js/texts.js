/** Every text of the page. A language is one more table here. */

const en = {
  brand: 'Meetings',
  otherLanguage: 'Русский',
  previewTitle: 'Your camera and microphone',
  microphone: 'Microphone',
  camera: 'Camera',
  joinTitle: 'Join the meeting',
  joinLead: 'Check how you look and sound, then go in.',
  yourName: 'Your name',
  room: 'Meeting room',
  join: 'Join',
  joining: 'Joining…',
  nameNeeded: 'Please enter your name.',
  roomNeeded: 'Please enter a room name: Latin letters, digits and dashes.',
  copyLink: 'Copy link',
  copyInvite: 'Copy invitation link',
  linkCopied: 'The link is copied',
  alone: 'You are the only one here. Invite the others:',
  youShare: 'You are sharing your screen',
  stopShare: 'Stop sharing',
  details: 'Connection',
  rejoin: 'Join again',
  home: 'Back to start',
  unlockSound: 'Click to hear the others',
  you: 'you',
  screenOf: (/** @type {string} */ name) => `${name} · screen`,
  servedBy: (/** @type {string} */ node) => `Served by ${node}`,
  people: (/** @type {number} */ count) => (count === 1 ? '1 person' : `${count} people`),
  muteMic: 'Mute microphone',
  unmuteMic: 'Unmute microphone',
  cameraOff: 'Turn camera off',
  cameraOn: 'Turn camera on',
  screenOn: 'Share screen',
  screenOff: 'Stop sharing',
  leave: 'Leave',
  showDetails: 'Connection details',
  controls: 'Call controls',
  joined: (/** @type {string} */ name) => `${name} joined`,
  left: (/** @type {string} */ name) => `${name} left`,
  weak: 'Connection interrupted…',
  connecting: 'Connecting…',
  noDevice: 'None found',
  noCamera: 'Camera is off',
  cameraOnlyPrompt: 'Waiting for permission…',
  state: {
    connecting: 'Connecting',
    connected: 'Connected',
    reconnecting: 'Reconnecting',
  },
  joinAnyway: 'You can join anyway.',
  device: {
    denied: (/** @type {string} */ which) => `${which}: access is blocked. Allow it in the address bar.`,
    missing: (/** @type {string} */ which) => `${which}: none found.`,
    busy: (/** @type {string} */ which) => `${which}: in use by another program.`,
    lost: (/** @type {string} */ which) => `${which}: disconnected.`,
    failed: (/** @type {string} */ which) => `${which}: could not be started.`,
    insecure: () =>
      'Camera and microphone need a secure address (https or localhost). You can join to watch and listen.',
  },
  ended: {
    left: ['You left the meeting', 'You can come back at any time.'],
    replaced: ['You joined from somewhere else', 'The meeting goes on in your other window or device.'],
    kicked: ['You were removed from the meeting', 'The host ended your participation.'],
    banned: ['You were removed from the meeting', 'The host ended your participation.'],
    room_closed: ['The meeting has ended', 'The room was closed for everyone.'],
    other: ['The connection was lost', 'Check your network and join again.'],
  },
  problem: {
    room_full: 'The room is full.',
    no_capacity: 'All media servers are busy. Please try again in a moment.',
    media_server_unreachable: 'The media server does not answer. Please try again in a moment.',
    network: 'The connection to the server failed. Please try again.',
    unsupported: 'This browser has no WebRTC, or it is switched off.',
    no_common_codec: 'This device and the room have no codec in common.',
    other: (/** @type {string} */ title) => `That did not work: ${title}`,
  },
  stats: {
    node: 'Your media node',
    nodes: 'Nodes in this room',
    up: 'Sending',
    down: 'Receiving',
    rtt: 'Round trip',
    loss: 'Packets lost',
    sent: 'Your video',
    route: 'Transport',
    codec: 'Codecs',
  },
};

/** @type {typeof en} */
const ru = {
  brand: 'Встречи',
  otherLanguage: 'English',
  previewTitle: 'Ваши камера и микрофон',
  microphone: 'Микрофон',
  camera: 'Камера',
  joinTitle: 'Вход во встречу',
  joinLead: 'Проверьте изображение и звук и входите.',
  yourName: 'Ваше имя',
  room: 'Комната',
  join: 'Войти',
  joining: 'Входим…',
  nameNeeded: 'Введите имя.',
  roomNeeded: 'Введите название комнаты: латинские буквы, цифры и дефис.',
  copyLink: 'Ссылка',
  copyInvite: 'Скопировать приглашение',
  linkCopied: 'Ссылка скопирована',
  alone: 'Пока здесь только вы. Пригласите остальных:',
  youShare: 'Вы показываете экран',
  stopShare: 'Остановить показ',
  details: 'Соединение',
  rejoin: 'Войти снова',
  home: 'На главную',
  unlockSound: 'Нажмите, чтобы слышать остальных',
  you: 'вы',
  screenOf: (name) => `${name} · экран`,
  servedBy: (node) => `Обслуживает ${node}`,
  people: (count) => `Участников: ${count}`,
  muteMic: 'Выключить микрофон',
  unmuteMic: 'Включить микрофон',
  cameraOff: 'Выключить камеру',
  cameraOn: 'Включить камеру',
  screenOn: 'Показать экран',
  screenOff: 'Остановить показ',
  leave: 'Выйти',
  showDetails: 'Сведения о соединении',
  controls: 'Управление звонком',
  joined: (name) => `Входит ${name}`,
  left: (name) => `Выходит ${name}`,
  weak: 'Связь прервалась…',
  connecting: 'Соединяем…',
  noDevice: 'Не найдено',
  noCamera: 'Камера выключена',
  cameraOnlyPrompt: 'Ждём разрешения…',
  state: { connecting: 'Соединяем', connected: 'На связи', reconnecting: 'Восстанавливаем связь' },
  joinAnyway: 'Войти можно и так.',
  device: {
    denied: (which) => `${which}: доступ запрещён. Разрешите его в адресной строке.`,
    missing: (which) => `${which}: устройство не найдено.`,
    busy: (which) => `${which}: занято другой программой.`,
    lost: (which) => `${which}: устройство отключено.`,
    failed: (which) => `${which}: не удалось включить.`,
    insecure: () => 'Камера и микрофон работают только по https или на localhost. Можно войти и смотреть.',
  },
  ended: {
    left: ['Вы вышли из встречи', 'Вернуться можно в любой момент.'],
    replaced: ['Вы вошли в другом месте', 'Встреча продолжается в другом окне или на другом устройстве.'],
    kicked: ['Вас удалили из встречи', 'Организатор завершил ваше участие.'],
    banned: ['Вас удалили из встречи', 'Организатор завершил ваше участие.'],
    room_closed: ['Встреча завершена', 'Комната закрыта для всех.'],
    other: ['Связь потеряна', 'Проверьте сеть и войдите снова.'],
  },
  problem: {
    room_full: 'В комнате нет мест.',
    no_capacity: 'Все медиасерверы заняты. Попробуйте чуть позже.',
    media_server_unreachable: 'Медиасервер не отвечает. Попробуйте чуть позже.',
    network: 'Нет связи с сервером. Попробуйте ещё раз.',
    unsupported: 'В этом браузере нет WebRTC, или он выключен.',
    no_common_codec: 'У этого устройства и комнаты нет общего кодека.',
    other: (title) => `Не получилось: ${title}`,
  },
  stats: {
    node: 'Ваш медиаузел',
    nodes: 'Узлы комнаты',
    up: 'Отправка',
    down: 'Приём',
    rtt: 'Задержка (RTT)',
    loss: 'Потери пакетов',
    sent: 'Ваше видео',
    route: 'Транспорт',
    codec: 'Кодеки',
  },
};

const tables = { en, ru };
const STORED = 'demo.language';

/** @returns {'en' | 'ru'} */
function chosen() {
  const stored = localStorage.getItem(STORED);
  if (stored === 'en' || stored === 'ru') return stored;
  return navigator.language.toLowerCase().startsWith('ru') ? 'ru' : 'en';
}

export const language = chosen();
export const t = tables[language];

export function switchLanguage() {
  localStorage.setItem(STORED, language === 'en' ? 'ru' : 'en');
  location.reload();
}

/** Fills the elements that name their text: `data-text="key"`. */
export function fillTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) {
    const text = t[/** @type {'brand'} */ (element.getAttribute('data-text'))];
    if (typeof text === 'string') element.textContent = text;
  }
}
