import { newId } from '@parley/contracts';
import { describe, expect, it } from 'vitest';
import { formatTraceparent, isTraceId, parseTraceparent, traceIdOf } from './tracing.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

describe('a traceparent', () => {
  it('is read as it was written', () => {
    expect(parseTraceparent(formatTraceparent({ traceId, spanId }))).toEqual({ traceId, spanId });
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toEqual({ traceId, spanId });
  });

  it('of a later version may have further fields', () => {
    expect(parseTraceparent(`01-${traceId}-${spanId}-01-more`)).toEqual({ traceId, spanId });
  });

  it.each([
    undefined,
    7,
    [`00-${traceId}-${spanId}-01`],
    '',
    traceId,
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `01-${traceId}-${spanId}-01more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
    `01-${traceId}-${spanId}-01-${'x'.repeat(300)}`,
  ])('that is not well-formed is ignored: %j', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});

it('the trace id of a request is its id without hyphens', () => {
  const id = newId();
  expect([traceIdOf(id), isTraceId(traceIdOf(id)), isTraceId(traceIdOf()), isTraceId(id)]).toEqual([
    id.replaceAll('-', ''),
    true,
    true,
    false,
  ]);
});
