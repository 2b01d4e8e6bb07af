/** Something that has been found. */
export interface Entry {
  readonly key: string;
}

/**
 * The entries that are shown next. Those that are shown already keep their order, and later ones follow below, so that
 * nothing moves under a selection or a finger.
 */
export function merge<T extends Entry>(shown: readonly T[], found: readonly T[]): T[] {
  const byKey = new Map(found.map((entry) => [entry.key, entry]));
  const kept = shown.flatMap(({ key }) => byKey.get(key) ?? []);
  const keptKeys = new Set(kept.map(({ key }) => key));
  return [...kept, ...[...byKey.values()].filter(({ key }) => !keptKeys.has(key))];
}

const fold = (text: string): string => text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();

/** Whether every word of the query is in one of the texts. Case and accents do not matter. */
export function matches(query: string, ...texts: readonly (string | undefined)[]): boolean {
  const text = fold(texts.join('\n'));
  return fold(query)
    .split(/\s+/)
    .every((word) => text.includes(word));
}
