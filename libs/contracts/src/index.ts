export * from './calls.js';
export * from './errors.js';
export * from './events.js';
export * from './fold.js';
export * from './ids.js';
export * from './internal.js';
export * from './limits.js';
export * from './shapes.js';
