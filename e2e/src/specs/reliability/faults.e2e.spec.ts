/** A short run of the faults with one seed. `npm run faults` runs all of them, other seeds and the mutations. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutations } from '../../programs/faults/mutations.js';
import { embeddedFaults, faults } from '../../programs/faults/faults/index.js';
import { run } from '../../programs/faults/run.js';
import { FaultEmbedded, FaultCluster } from '../../programs/faults/target.js';

const quick = { seed: 1, calmMs: 800, paceMs: 350 } as const;

describe('every promise holds under load', () => {
  let target: FaultCluster;
  beforeAll(async () => {
    target = await FaultCluster.open();
  });
  afterAll(() => target?.close());

  it.each(faults.filter(({ short }) => short).map((fault) => [fault.description, fault] as const))(
    'when this happens to a cluster: %s',
    async (_description, fault) => {
      const { findings, acknowledged } = await run(target, fault, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    },
  );
});

it.each(embeddedFaults.filter(({ short }) => short).map((fault) => [fault.description, fault] as const))(
  'every promise holds in embedded mode: %s',
  async (_description, fault) => {
    const target = await FaultEmbedded.open();
    try {
      const { findings, acknowledged } = await run(target, fault, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    } finally {
      await target.close();
    }
  },
);

describe('a mutation', () => {
  it.each(mutations)('without $guard names a fault that exists', ({ fault }) => {
    expect(faults.map(({ name }) => name)).toContain(fault);
  });
});
