export { startMessages } from './start.js';
export type { MessagesParts } from './app.module.js';
export { messagesConfig } from './config.js';
export { messagesSettings, settingsOf } from './settings.js';
