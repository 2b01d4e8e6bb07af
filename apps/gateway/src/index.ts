export { gatewayConfig, GatewayConfig, gatewayProcessConfig } from './config.js';
export { startGateway, type Gateway, type GatewayDependencies } from './start.js';
export { openStore } from './files/open-store.js';
export { FolderStore, MissingFile, type FileStore } from './files/store.js';
