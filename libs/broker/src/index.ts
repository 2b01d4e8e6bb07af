export * from './broker.js';
export { createInProcessBroker, type InProcessBroker, type InProcessOptions } from './in-process-broker.js';
export { startNestService, type NestServiceOptions } from './nest-service.js';
export { Unavailable } from '@parley/service-kit';
export { createRabbitBroker, type RabbitOptions } from './rabbit/rabbit-broker.js';
export { listDeadLetters, redrive, type DeadLetter } from './rabbit/dead-letters.js';
export {
  accountName,
  rabbitAccountsConfig,
  rabbitDefinitions,
  rabbitRights,
  type Account,
  type RabbitAccounts,
} from './rabbit/accounts.js';
