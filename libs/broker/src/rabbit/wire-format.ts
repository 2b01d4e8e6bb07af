import { currentTrace, formatTraceparent, isTraceId, parseTraceparent, traceIdOf } from '@parley/service-kit';

/** The work that a message comes from: its trace, and the span in which it was sent, where there is one. */
export interface Origin {
  readonly correlationId: string;
  readonly spanId: string | undefined;
}

/** The work under way here, unless it is said to be another. */
export function originOf(correlationId?: string): Origin {
  const trace = currentTrace();
  if (correlationId !== undefined && correlationId !== trace?.traceId) return { correlationId, spanId: undefined };
  return { correlationId: trace?.traceId ?? traceIdOf(), spanId: trace?.spanId };
}

const parentOf = ({ correlationId, spanId }: Origin): string | undefined =>
  spanId !== undefined && isTraceId(correlationId) ? formatTraceparent({ traceId: correlationId, spanId }) : undefined;

/** As our headers; the span as W3C's. */
export function headersFor(origin: Origin): { readonly 'correlation-id': string; readonly traceparent?: string } {
  const traceparent = parentOf(origin);
  return { 'correlation-id': origin.correlationId, ...(traceparent !== undefined && { traceparent }) };
}

/** As one text; {@link readOrigin} reads it. */
export const textOf = (origin: Origin): string => parentOf(origin) ?? origin.correlationId;

export function readOrigin(text: string): Origin {
  const parent = parseTraceparent(text);
  return parent ? { correlationId: parent.traceId, spanId: parent.spanId } : { correlationId: text, spanId: undefined };
}
