export { startAuth, settingsOf, type AuthDependencies } from './start.js';
export type { AuthSettings } from './settings.js';
export { authConfig, authSettings } from './config.js';
