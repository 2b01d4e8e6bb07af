export * from './column-cipher.js';
export * from './config.js';
export * from './logging.js';
export {
  currentTrace,
  currentTraceparent,
  formatTraceparent,
  inSpan,
  inSpans,
  isTraceId,
  outgoingTrace,
  parseTraceparent,
  startTracing,
  traceIdOf,
  traceparentOf,
  withTrace,
  type SpanKind,
  type Trace,
  type TraceContext,
} from './tracing.js';
export * from './health.js';
export { Lru } from './lru.js';
export { addressKey, siteKey } from './networks.js';
export * from './run.js';
export * from './service.js';
export * from './unavailable.js';
export * from './ports.js';
export * from './private-files.js';
export { queueLabel, work } from './work-metrics.js';
export * from './batcher.js';
export * from './recurring-task.js';
export * from './timeout.js';
