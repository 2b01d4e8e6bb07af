import { describe, expect, it } from 'vitest';
import { newId } from '@parley/contracts';
import { createMemoryTraces } from './traces.js';
import { tracesConformance } from './traces.conformance.js';

describe('traces in memory', () => {
  tracesConformance((limits) => Promise.resolve(createMemoryTraces(limits)));

  it('drop the oldest messages beyond ten thousand', async () => {
    const traces = createMemoryTraces({ perSecond: Number.POSITIVE_INFINITY });
    const ids = Array.from({ length: 10_001 }, () => newId());
    traces.committed(ids);
    expect([await traces.of(ids[0]!), (await traces.of(ids[1]!)) !== undefined]).toEqual([undefined, true]);
  });
});
