import type { ParleyClient } from '@parley/client';

/** A list of the server, page by page, as far as it is asked for. */
export async function* listOf<T>(client: ParleyClient, path: string): AsyncGenerator<T, void> {
  let cursor: string | undefined;
  do {
    const page: { items: T[]; nextCursor?: string } = await client.request('GET', path, {
      query: { cursor, limit: 100 },
    });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
