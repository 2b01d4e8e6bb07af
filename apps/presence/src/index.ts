export { startPresence } from './start.js';
export { createMemoryStore } from './store/memory-store.js';
export { createRedisStore } from './store/redis-store.js';
export { presenceConfig } from './config.js';
export type { PresenceParts } from './parts.js';
export type { PresenceStore, StoreOptions } from './store/store.js';
