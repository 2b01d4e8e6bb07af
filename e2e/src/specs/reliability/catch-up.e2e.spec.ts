import { afterEach, describe, expect, it } from 'vitest';
import { shared, type Deployment } from '../../deployments/modes.js';
import { Team } from './random-history.js';

/** Histories per run, each with its own seed. `HISTORIES=1000 SEED=1` runs more, or others. */
const histories = Number(process.env['HISTORIES'] ?? 16);
const first = Number(process.env['SEED'] ?? 1);
const teams = 6;
const length = 24;

describe.each(Object.entries(shared))('I9 in %s mode', (_, start) => {
  let deployment: Deployment | undefined;
  afterEach(async () => {
    await deployment?.stop();
    deployment = undefined;
  });

  it(`a client that applies live events and syncs holds what a fresh load returns (seeds ${first} to ${first + histories - 1})`, async () => {
    deployment = await start();
    const { urls } = deployment;
    let next = first;
    const run = async (): Promise<void> => {
      const team = await Team.gather(urls);
      try {
        while (next < first + histories) {
          const seed = next++;
          const { held, fresh } = await team.live(seed, length);
          for (const index of held.keys())
            expect(held[index], `seed ${seed}, person ${index}, who was told:\n${team.told(index)}`).toEqual(
              fresh[index],
            );
          expect(fresh.flatMap(Object.keys), `seed ${seed}`).not.toEqual([]);
        }
      } finally {
        team.leave();
      }
    };
    await Promise.all(Array.from({ length: teams }, run));
  }, 1_800_000);
});
