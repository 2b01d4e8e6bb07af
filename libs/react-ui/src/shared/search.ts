import { useEffect, useState } from 'react';
import { useChat, useClient } from './chat.ts';

const TYPING_PAUSE_MS = 250;

/** The state of a search. */
export interface SearchResult<T> {
  readonly items: readonly T[];
  /** Whether the items belong to the current query. */
  readonly done: boolean;
  /** Whether the server did not answer the current query. It is asked again when there is a connection again. */
  readonly failed: boolean;
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
    readonly failed?: true;
  }>();
  const offline = useChat(({ connection }) => connection === 'offline');
  useEffect(() => {
    if (key === undefined) return undefined;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const separator = key.indexOf(' ');
      const options = { query: JSON.parse(key.slice(separator + 1)) as typeof query, signal: controller.signal };
      client.request<{ items: T[]; nextCursor?: string }>('GET', key.slice(0, separator), options).then(
        ({ items, nextCursor }) =>
          controller.signal.aborted || setResult({ key, items, more: nextCursor !== undefined }),
        () =>
          controller.signal.aborted ||
          setResult((before) =>
            before?.key === key && !before.failed ? before : { key, items: [], more: false, failed: true },
          ),
      );
    }, TYPING_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [client, key, offline]);
  return {
    items: key === undefined ? [] : (result?.items ?? []),
    done: result !== undefined && result.key === key && !result.failed,
    failed: result !== undefined && result.key === key && result.failed === true,
    more: result?.more ?? false,
  };
}
