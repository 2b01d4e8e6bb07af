export { startAuth, settingsOf } from './start.js';
export type { AuthParts, Settings } from './parts.js';
export { authConfig, authSettings } from './config.js';
