export * from './chat-client.js';
export * from './local-state.js';
export * from './service-process.js';
