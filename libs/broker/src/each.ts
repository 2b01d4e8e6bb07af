/** Does it with each, also after one with which it failed; throws the first failure at the end. */
export function each<T>(items: readonly T[], work: (item: T) => void): void {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      work(item);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
