/** All faults. Each harms a target under load; when its promise resolves, the harm is over. */
import { brokerFaults } from './broker.js';
import { clientFaults } from './clients.js';
import { backupDiskFull, databaseFaults, diskFull, failover } from './database.js';
import type { Fault } from './fault.js';
import { messageFaults } from './messages.js';
import { partitionFaults } from './partitions.js';
import { freeze, kill, killAll, killAt, killGateway, rolling } from './processes.js';
import { redisFaults } from './redis.js';

export { embeddedFaults } from './embedded.js';
export type { Fault } from './fault.js';
export { upgrade } from './processes.js';

export const faults: readonly Fault[] = [
  kill('messages', { short: true }),
  kill('history'),
  kill('auth'),
  kill('presence'),
  killGateway,
  killAll('messages'),
  killAll('history'),
  killAll('auth'),
  killAt('messages.received', 'messages'),
  killAt('messages.stored', 'messages'),
  killAt('messages.committed', 'messages'),
  killAt('messages.answered', 'messages'),
  killAt('messages.pushed', 'messages'),
  killAt('messages.published', 'messages'),
  killAt('history.received', 'history'),
  killAt('history.moved', 'history'),
  killAt('broker.settled', 'messages'),
  killAt('gateway.received', 'gateway'),
  killAt('gateway.answered', 'gateway'),
  killAt('gateway.pushed', 'gateway'),
  freeze('messages', 60),
  freeze('history', 30),
  freeze('auth', 30),
  freeze('presence', 30),
  freeze('gateway', 30),
  ...brokerFaults,
  ...databaseFaults,
  ...redisFaults,
  ...messageFaults,
  ...clientFaults,
  rolling,
  ...partitionFaults,
  failover,
  diskFull,
  backupDiskFull,
];
