export * from './registry.js';
export * from './push.js';
export * from './limiter.js';
export * from './traces.js';
export * from './redis-connection.js';
export * from './redis-accounts.js';
