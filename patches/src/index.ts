export { gatherAmqpWrites, GatheredWrites } from './gathered-writes.js';
export { queuedBytes, terminate, type EngineConnection } from './engine-connection.js';
export { releaseHandshake } from './released-handshake.js';
export { limitUpgrades } from './limited-upgrades.js';
