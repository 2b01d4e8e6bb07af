export { startHistory } from './start.js';
export type { HistoryParts } from './app.module.js';
export { historyConfig, historySettings, settingsOf } from './config.js';
