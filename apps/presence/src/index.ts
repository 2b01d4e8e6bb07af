export { startPresence } from './start.js';
export { createMemoryStore } from './memory-store.js';
export { createRedisStore } from './redis-store.js';
export { presenceConfig } from './config.js';
export type { PresenceParts } from './parts.js';
export type { PresenceStore, StoreOptions } from './store.js';
