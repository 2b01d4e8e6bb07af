export * from './broker.js';
export { createInProcessBroker, type InProcessBroker, type InProcessOptions } from './in-process.js';
export { BrokerStrategy } from './strategy.js';
export { Unavailable } from '@parley/service-kit';
export { createRabbitBroker, type RabbitOptions } from './rabbit/broker.js';
export { listDeadLetters, redrive, type DeadLetter } from './redrive.js';
export { shared as sharedTopology } from './rabbit/topology.js';
