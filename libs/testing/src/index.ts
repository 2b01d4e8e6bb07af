export * from './chat-client.js';
export * from './eventually.js';
export * from './local-state.js';
export * from './ports.js';
export * from './private-server.js';
export * from './servers.js';
export * from './service-process.js';
export * from './tcp-proxy.js';
export type {} from './global-setup.js';
