import { newId } from '@parley/contracts';

/** A trace and a span in it, as in W3C Trace Context: 32 and 16 lower-case hex digits. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

const form =
  /^(?!ff)(?<version>[0-9a-f]{2})-(?<traceId>(?!0{32})[0-9a-f]{32})-(?<spanId>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}(?<more>-.*)?$/;

/** Parses a `traceparent`; undefined unless it is well-formed. What a version above 00 adds is ignored. */
export function parseTraceparent(header: unknown): TraceContext | undefined {
  const { version, traceId, spanId, more } =
    (typeof header === 'string' && header.length < 256 && form.exec(header)?.groups) || {};
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId };
}

export const formatTraceparent = ({ traceId, spanId }: TraceContext): string => `00-${traceId}-${spanId}-01`;

/** The trace id that belongs to a request's id; by default a new one. */
export const traceIdOf = (id: string = newId()): string => id.replaceAll('-', '');

const ours = /^[0-9a-f]{32}$/;
export const isTraceId = (text: string): boolean => ours.test(text);
