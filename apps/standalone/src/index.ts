export { readConfig, standaloneConfig, type StandaloneConfig } from './config.js';
export { startStandalone, type Standalone } from './start.js';
