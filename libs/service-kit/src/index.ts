export * from './config.js';
export * from './logging.js';
export * from './trace-context.js';
export { currentTraceparent, inSpan, inSpans, startTracing, type SpanKind } from './tracing.js';
export * from './health.js';
export * from './run.js';
export * from './unavailable.js';
export * from './ports.js';
export { queueLabel, work } from './work-metrics.js';
