export * from './registry.js';
export { createMemoryRegistry } from './memory-registry.js';
export { createRedisRegistry } from './redis-registry.js';
export * from './push.js';
export * from './limiter.js';
export * from './redis-link.js';
export * from './birth.js';
export * from './accounts.js';
export { accountsJobConfig } from './accounts-config.js';
