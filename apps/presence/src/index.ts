export { startPresence, type PresenceDependencies } from './start.js';
export { createMemoryStore } from './store/memory-store.js';
export { createRedisStore } from './store/redis-store.js';
export { presenceConfig } from './config.js';
export { PresenceStore, type StoreOptions } from './store/store.js';
