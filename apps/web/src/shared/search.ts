import { useEffect, useState } from 'react';
import { useClient } from './chat.ts';

const PAUSE_MS = 250;

export interface SearchResult<T> {
  readonly items: readonly T[];
  /** Whether these are the answer to what is asked now. */
  readonly done: boolean;
  readonly more: boolean;
}

/** Asks a list of the server, once one has stopped typing. `undefined` asks nothing. Earlier answers never replace later ones. */
export function useSearch<T>(
  path: string | undefined,
  query: Readonly<Record<string, string | number | undefined>>,
): SearchResult<T> {
  const client = useClient();
  const key = path === undefined ? undefined : `${path} ${JSON.stringify(query)}`;
  const [found, setFound] = useState<{ readonly key: string; readonly items: readonly T[]; readonly more: boolean }>();
  useEffect(() => {
    if (key === undefined) return undefined;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const [to, asked] = [key.slice(0, key.indexOf(' ')), JSON.parse(key.slice(key.indexOf(' ') + 1)) as typeof query];
      client.request<{ items: T[]; nextCursor?: string }>('GET', to, { query: asked, signal: controller.signal }).then(
        ({ items, nextCursor }) =>
          controller.signal.aborted || setFound({ key, items, more: nextCursor !== undefined }),
        () => controller.signal.aborted || setFound({ key, items: [], more: false }),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [client, key]);
  return { items: key === undefined ? [] : (found?.items ?? []), done: found?.key === key, more: found?.more ?? false };
}
