export { startMessages } from './start.js';
export type { MessagesParts } from './app.module.js';
export { messagesConfig, messagesSettings, settingsOf } from './config.js';
