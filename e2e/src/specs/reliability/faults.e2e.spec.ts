/** The short run of the faults, with one seed. All of them, other seeds and mutations: `npm run faults`. */
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

  it.each(faults.filter(({ short }) => short).map((row) => [row.description, row] as const))(
    'when this happens to a cluster: %s',
    async (_what, row) => {
      const { findings, acknowledged } = await run(target, row, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    },
  );
});

it.each(embeddedFaults.filter(({ short }) => short).map((row) => [row.description, row] as const))(
  'every promise holds in embedded mode: %s',
  async (_what, row) => {
    const target = await FaultEmbedded.open();
    try {
      const { findings, acknowledged } = await run(target, row, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    } finally {
      await target.close();
    }
  },
);

it('each mutation names a row that there is', () => {
  const names = faults.map(({ name }) => name);
  expect(mutations.filter(({ row }) => !names.includes(row))).toEqual([]);
});
