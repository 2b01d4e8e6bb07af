import { formatTraceparent, traceIdOf } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { headersOf, readTrace, traceHeaders, traceIn, traceText } from './wire-format.js';

const traceId = traceIdOf();
const spanId = 'b7ad6b7169203331';
const traceparent = formatTraceparent({ traceId, spanId });
const noTrace = { traceId: 'no trace', spanId };

describe('the trace of a message', () => {
  it('is written with a span only where it has one and a well-formed id', () => {
    expect(traceHeaders({ traceId, spanId })).toEqual({ 'correlation-id': traceId, traceparent });
    expect(traceHeaders({ traceId })).toEqual({ 'correlation-id': traceId });
    expect(traceHeaders(noTrace)).toEqual({ 'correlation-id': 'no trace' });
  });

  it.each([{ traceId, spanId }, { traceId }, { traceId: 'no trace' }])('is read as it was written: %j', (trace) => {
    expect(readTrace(traceText(trace))).toEqual(trace);
    expect(traceIn(traceHeaders(trace), 'unknown')).toEqual(trace);
  });

  it('has only a span of its own', () => {
    expect(traceIn({ 'correlation-id': traceIdOf(), traceparent }, 'unknown')).not.toHaveProperty('spanId');
    expect(traceIn({ traceparent }, 'unknown')).toEqual({ traceId: 'unknown' });
  });
});

it('keeps only well-formed headers that we write', () => {
  const headers = { 'correlation-id': 'c1', budget: -1, attempts: 2, stream: 'x'.repeat(256), secret: 'text' };
  expect(headersOf({ properties: { headers } })).toEqual({ 'correlation-id': 'c1', attempts: 2 });
});
