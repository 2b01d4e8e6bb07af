/** A source of numbers from 0 to 1, the same for the same seed (mulberry32, Tommy Ettinger, public domain). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Parameters of a fast-check property. The variable `SEED` replaces the seed, `ROUNDS` multiplies the number of runs.
 */
export const rounds = (numRuns: number): { readonly seed: number; readonly numRuns: number } => ({
  seed: Number(process.env['SEED'] ?? 1),
  numRuns: Math.ceil(numRuns * Number(process.env['ROUNDS'] ?? 1)),
});
