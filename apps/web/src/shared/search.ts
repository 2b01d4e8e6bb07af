import { useEffect, useState } from 'react';
import { useClient } from './chat.ts';

const TYPING_PAUSE_MS = 250;

export interface SearchResult<T> {
  readonly items: readonly T[];
  /** Whether the items belong to the current query. */
  readonly done: boolean;
  readonly more: boolean;
}

/**
 * Searches a list of the server once the user pauses typing. An undefined path searches nothing. An earlier answer
 * never replaces a later one.
 */
export function useSearch<T>(
  path: string | undefined,
  query: Readonly<Record<string, string | number | undefined>>,
): SearchResult<T> {
  const client = useClient();
  const key = path === undefined ? undefined : `${path} ${JSON.stringify(query)}`;
  const [result, setResult] = useState<{
    readonly key: string;
    readonly items: readonly T[];
    readonly more: boolean;
  }>();
  useEffect(() => {
    if (key === undefined) return undefined;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const separator = key.indexOf(' ');
      const options = { query: JSON.parse(key.slice(separator + 1)) as typeof query, signal: controller.signal };
      client.request<{ items: T[]; nextCursor?: string }>('GET', key.slice(0, separator), options).then(
        ({ items, nextCursor }) =>
          controller.signal.aborted || setResult({ key, items, more: nextCursor !== undefined }),
        () => controller.signal.aborted || setResult({ key, items: [], more: false }),
      );
    }, TYPING_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [client, key]);
  return {
    items: key === undefined ? [] : (result?.items ?? []),
    done: result?.key === key,
    more: result?.more ?? false,
  };
}
