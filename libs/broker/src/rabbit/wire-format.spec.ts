import { formatTraceparent, isTraceId, traceIdOf, withTrace } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { headersFor, originOf, readOrigin, textOf } from './wire-format.js';

const traceId = traceIdOf();
const spanId = 'b7ad6b7169203331';
const traceparent = formatTraceparent({ traceId, spanId });

describe('the origin of a message', () => {
  it('is the work under way, or a new trace', () => {
    expect(withTrace({ traceId, spanId }, () => originOf())).toEqual({ correlationId: traceId, spanId });
    const { correlationId, spanId: none } = originOf();
    expect([isTraceId(correlationId), none]).toEqual([true, undefined]);
  });

  it('said to be another work has none of this one’s spans', () => {
    expect(withTrace({ traceId, spanId }, () => originOf('another'))).toEqual({
      correlationId: 'another',
      spanId: undefined,
    });
    expect(withTrace({ traceId, spanId }, () => originOf(traceId))).toEqual({ correlationId: traceId, spanId });
  });

  it('names a span only where there is one of a trace', () => {
    expect(headersFor({ correlationId: traceId, spanId })).toEqual({ 'correlation-id': traceId, traceparent });
    expect(headersFor({ correlationId: traceId, spanId: undefined })).toEqual({ 'correlation-id': traceId });
    expect(headersFor({ correlationId: 'no trace', spanId })).toEqual({ 'correlation-id': 'no trace' });
  });

  it.each([
    { correlationId: traceId, spanId },
    { correlationId: traceId, spanId: undefined },
    { correlationId: 'no trace', spanId: undefined },
  ])('is read as it was written: %j', (origin) => {
    expect(readOrigin(textOf(origin))).toEqual(origin);
  });
});
