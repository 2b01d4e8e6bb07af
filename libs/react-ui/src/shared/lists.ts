import type { ParleyClient } from '@parley/client';

/** The items of a paged list, loading pages as they are needed. */
export async function* listItems<T>(client: ParleyClient, path: string): AsyncGenerator<T, void> {
  let cursor: string | undefined;
  do {
    const page: { items: T[]; nextCursor?: string } = await client.request('GET', path, {
      query: { cursor, limit: 100 },
    });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
