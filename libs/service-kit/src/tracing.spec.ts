import { describe, expect, it } from 'vitest';
import { loadConfig, commonConfig } from './config.js';
import { createLogger } from './logging.js';
import {
  currentTrace,
  currentTraceparent,
  inSpan,
  inSpans,
  isTraceId,
  outgoingTrace,
  startTracing,
  traceIdOf,
  withTrace,
} from './tracing.js';

const traceId = traceIdOf();

describe('traces', () => {
  it('follow asynchronous work and do not leak out of it', async () => {
    const inside = await withTrace({ traceId: 'c1' }, async () => {
      await Promise.resolve();
      return currentTrace()?.traceId;
    });
    expect(inside).toBe('c1');
    expect(currentTrace()).toBeUndefined();
  });
});

describe('the trace of a message that is sent', () => {
  const spanId = 'b7ad6b7169203331';

  it('is that of the current work, or a new one', () => {
    expect(withTrace({ traceId, spanId }, () => outgoingTrace())).toEqual({ traceId, spanId });
    const trace = outgoingTrace();
    expect([isTraceId(trace.traceId), trace.spanId]).toEqual([true, undefined]);
  });

  it('has no span of the current work when it is said to be another one', () => {
    expect(withTrace({ traceId, spanId }, () => outgoingTrace('another'))).toEqual({ traceId: 'another' });
    expect(withTrace({ traceId, spanId }, () => outgoingTrace(traceId))).toEqual({ traceId, spanId });
  });
});

describe('without a collector', () => {
  it('spans only do their work, in the current trace', async () => {
    const tracing = await startTracing('probe', loadConfig(commonConfig, {}), createLogger('probe', 'silent'));
    const inside = () => [currentTrace(), currentTraceparent()];
    expect(withTrace({ traceId }, () => inSpan('work', 'internal', inside))).toEqual([{ traceId }, undefined]);
    expect(inSpans('work', 'consumer', [{ traceId }, { traceId: traceIdOf() }], inside)).toEqual([
      { traceId },
      undefined,
    ]);
    await expect(inSpan('work', 'internal', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    await tracing.stop();
  });
});

describe('with an unavailable collector', () => {
  it('work continues as without tracing', async () => {
    const lines: string[] = [];
    const logger = createLogger('probe', 'info', { write: (line: string) => void lines.push(line) });
    const tracing = await startTracing(
      'probe',
      loadConfig(commonConfig, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }),
      logger,
    );
    const inside = withTrace({ traceId }, () =>
      inSpan('work', 'internal', () => [currentTrace(), currentTraceparent()] as const),
    );
    expect(inside[0]).toEqual({ traceId, spanId: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(inside[1]).toBe(`00-${traceId}-${inside[0]!.spanId}-01`);
    const failure = new Error('failed');
    expect(() =>
      inSpan('work', 'internal', () => {
        throw failure;
      }),
    ).toThrow(failure);
    await expect(inSpan('work', 'internal', () => Promise.reject(failure))).rejects.toBe(failure);
    await tracing.stop();
    expect(currentTraceparent()).toBeUndefined();
  });
});

it.each(['-1', '1.5', 'half', '2'])('the share of exported traces must be between 0 and 1, not %s', (share) => {
  expect(() => loadConfig(commonConfig, { OTEL_TRACES_SAMPLER_ARG: share })).toThrow(/between 0 and 1/);
});
