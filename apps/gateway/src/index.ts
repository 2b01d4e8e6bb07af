export { gatewayConfig, gatewayProcessConfig, type GatewayConfig } from './config.js';
export type { GatewayParts } from './parts.js';
export { startGateway, type Gateway } from './start.js';
export { FolderStore, openStore, type FileStore } from './files/store.js';
