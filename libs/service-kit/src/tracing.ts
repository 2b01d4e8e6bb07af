import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Attributes, SpanContext, Tracer } from '@opentelemetry/api';
import { ChatError, newId } from '@parley/contracts';
import type { z } from 'zod';
import type { commonConfig } from './config.js';

/** A trace and a span in it, as in W3C Trace Context: 32 and 16 lower-case hex digits. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

/** The fields that identify one piece of work, in each of its log lines. */
export interface Trace {
  /** As in {@link TraceContext}; in a message of the broker it may be any text. */
  traceId: string;
  /** The span of the work, or of the request for it. */
  spanId?: string;
  conversationId?: string;
  messageId?: string;
  userId?: string;
}
const traces = new AsyncLocalStorage<Trace>();
/** Runs `work` so that its log lines, and the messages that it sends, carry `trace`. */
export const withTrace = <T>(trace: Trace, work: () => T): T => traces.run(trace, work);
/** The trace of the current work; undefined outside of {@link withTrace}. */
export const currentTrace = (): Trace | undefined => traces.getStore();

const form =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<traceId>(?!0{32})[0-9a-f]{32})-(?<spanId>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}(?<more>-.*)?$/;

/** Parses a `traceparent`; undefined unless it is well-formed. Additions of versions above 00 are ignored. */
export function parseTraceparent(header: unknown): TraceContext | undefined {
  const { version, traceId, spanId, more } =
    (typeof header === 'string' && header.length < 256 && form.exec(header)?.groups) || {};
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId };
}

/** The W3C `traceparent` of a span, marked as sampled. */
export const formatTraceparent = ({ traceId, spanId }: TraceContext): string => `00-${traceId}-${spanId}-01`;

/** The trace id that belongs to a request's id; by default a new one. */
export const traceIdOf = (id: string = newId()): string => id.replaceAll('-', '');

const ours = /^[0-9a-f]{32}$/;
/** Whether a text is a well-formed trace id. Ids from outside may be any text. */
export const isTraceId = (text: string): boolean => ours.test(text);

type TracingConfig = Pick<
  z.output<z.ZodObject<typeof commonConfig>>,
  'OTEL_EXPORTER_OTLP_ENDPOINT' | 'OTEL_TRACES_SAMPLER_ARG'
>;

/** The span kinds of OpenTelemetry. */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
const kinds: readonly SpanKind[] = ['internal', 'server', 'client', 'producer', 'consumer'];

interface Active {
  readonly tracer: Tracer;
  readonly api: typeof import('@opentelemetry/api');
}
/** Undefined while tracing is off; then a span costs no more than this check. */
let active: Active | undefined;

/**
 * Exports the spans of this process until it is stopped, if the configuration names a collector; OpenTelemetry is
 * loaded only then. Spans wait in a bounded queue: while the collector is unavailable they are dropped, with a warning.
 */
export async function startTracing(
  service: string,
  { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: share }: TracingConfig,
  logger: { warn(fields: object, message: string): void },
): Promise<{ stop(): Promise<void> }> {
  if (endpoint === undefined) return { stop: async () => undefined };
  const [
    api,
    { BasicTracerProvider, BatchSpanProcessor, TraceIdRatioBasedSampler },
    { OTLPTraceExporter },
    { resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const warn = (reason: string) => logger.warn({ reason }, 'spans were not exported');
  api.diag.setLogger(
    { error: warn, warn, info: () => undefined, debug: () => undefined, verbose: () => undefined },
    { logLevel: api.DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    // Decides by the trace id alone, so that all services decide alike.
    sampler: new TraceIdRatioBasedSampler(share),
    idGenerator: { generateTraceId: rootTraceId, generateSpanId: () => randomBytes(8).toString('hex') },
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` })),
    ],
  });
  active = { tracer: provider.getTracer('parley'), api };
  return {
    async stop() {
      active = undefined;
      await provider.shutdown().catch((error: unknown) => warn(String(error)));
    },
  };
}

/** A new trace gets the id that the work already has. */
function rootTraceId(): string {
  const { traceId } = currentTrace() ?? {};
  return traceId !== undefined && isTraceId(traceId) ? traceId : traceIdOf();
}

/**
 * Does `work` within a span of the current trace; spans that it begins are children. Without tracing it only does the work.
 */
export function inSpan<T>(name: string, kind: SpanKind, work: () => T, attributes: Attributes = {}): T {
  return active ? within([begin(active, name, kind, currentTrace(), attributes)], work) : work();
}

/**
 * Does `work` that belongs to many traces (at least one) within the first of them, which gets its spans. Each other
 * trace gets a span of the same time with a link to that one.
 */
export function inSpans<T>(name: string, kind: SpanKind, traces: readonly Trace[], work: () => T): T {
  const [first, ...others] = traces as [Trace, ...Trace[]];
  if (!active) return withTrace(first, work);
  const tracing = active;
  const shared = begin(tracing, name, kind, first, { 'parley.batch': traces.length });
  return within(
    [
      shared,
      ...others.map((other) => begin(tracing, name, kind, other, { 'parley.batch': traces.length }, shared.trace)),
    ],
    work,
  );
}

/** The current span as a W3C `traceparent`, for other processes; undefined without tracing. */
export const currentTraceparent = (): string | undefined => active && traceparentOf(currentTrace());

/** The span of a trace as a W3C `traceparent`; undefined when the trace has no span, or no well-formed id. */
export const traceparentOf = (trace: Trace | undefined): string | undefined =>
  isParent(trace) ? formatTraceparent(trace) : undefined;

/**
 * The trace of a message that is sent now: the trace of the current work, or a new one. With another `traceId`: that
 * trace, without a span, because none is known.
 */
export function outgoingTrace(traceId?: string): Trace {
  const current = currentTrace();
  if (traceId !== undefined && traceId !== current?.traceId) return { traceId };
  if (current?.spanId === undefined) return { traceId: current?.traceId ?? traceIdOf() };
  return { traceId: current.traceId, spanId: current.spanId };
}

interface OpenSpan {
  readonly trace: Trace & { readonly spanId: string };
  end(failure?: { readonly error: unknown }): void;
}

const contextOf = ({ api }: Active, { traceId, spanId }: OpenSpan['trace']): SpanContext => ({
  traceId,
  spanId,
  traceFlags: api.TraceFlags.SAMPLED,
  isRemote: true,
});
const isParent = (trace: Trace | undefined): trace is OpenSpan['trace'] =>
  trace?.spanId !== undefined && isTraceId(trace.traceId);

function begin(
  tracing: Active,
  name: string,
  kind: SpanKind,
  trace: Trace | undefined,
  attributes: Attributes,
  linked?: OpenSpan['trace'],
): OpenSpan {
  const { api, tracer } = tracing;
  const parent = isParent(trace)
    ? api.trace.setSpanContext(api.ROOT_CONTEXT, contextOf(tracing, trace))
    : api.ROOT_CONTEXT;
  const start = () =>
    tracer.startSpan(
      name,
      { kind: kinds.indexOf(kind), attributes, links: linked ? [{ context: contextOf(tracing, linked) }] : [] },
      parent,
    );
  const span = trace ? withTrace(trace, start) : start();
  const { traceId, spanId } = span.spanContext();
  return {
    trace: { ...trace, traceId, spanId },
    end(failure) {
      // Not the error's text: it may contain private data.
      if (failure) span.setAttribute('error.type', typeOf(failure.error)).setStatus({ code: api.SpanStatusCode.ERROR });
      span.end();
    },
  };
}

const typeOf = (error: unknown): string =>
  error instanceof ChatError ? error.code : error instanceof Error ? error.name : 'unknown';

/** Does `work` in the trace of the first span, and ends all spans when it ends. */
function within<T>(spans: readonly [OpenSpan, ...OpenSpan[]], work: () => T): T {
  const end = (failure?: { readonly error: unknown }) => {
    for (const span of spans) span.end(failure);
  };
  try {
    const result = withTrace(spans[0].trace, work);
    if (result instanceof Promise)
      result.then(
        () => end(),
        (error: unknown) => end({ error }),
      );
    else end();
    return result;
  } catch (error) {
    end({ error });
    throw error;
  }
}
