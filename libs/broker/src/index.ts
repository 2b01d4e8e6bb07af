export * from './broker.js';
export { Unavailable } from '@parley/service-kit';
