/** The short run of the faults, with one seed. All of them, other seeds and mutations: `npm run faults`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutations } from '../../programs/faults/mutations.js';
import { embeddedRows, rows } from '../../programs/faults/rows.js';
import { run } from '../../programs/faults/run.js';
import { EmbeddedWorld, World } from '../../programs/faults/world.js';

const quick = { seed: 1, calmMs: 800, paceMs: 350 } as const;

describe('every promise holds under load', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world?.close());

  it.each(rows.filter(({ short }) => short).map((row) => [row.what, row] as const))(
    'when this happens to a cluster: %s',
    async (_what, row) => {
      const { findings, acknowledged } = await run(world, row, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    },
  );
});

it.each(embeddedRows.filter(({ short }) => short).map((row) => [row.what, row] as const))(
  'every promise holds in embedded mode: %s',
  async (_what, row) => {
    const world = await EmbeddedWorld.open();
    try {
      const { findings, acknowledged } = await run(world, row, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    } finally {
      await world.close();
    }
  },
);

it('each mutation names a row that there is', () => {
  const names = rows.map(({ name }) => name);
  expect(mutations.filter(({ row }) => !names.includes(row))).toEqual([]);
});
