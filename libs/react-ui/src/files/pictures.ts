import type { ParleyClient as Client } from '@parley/client';
import { useEffect, useState } from 'react';
import { useClient } from '../shared/chat.ts';

const MAX_PICTURES = 200;

/**
 * Loads pictures and makes object URLs of them, because their bytes need the session's token, which an `<img>` does not
 * send. The 200 most recently used ones are kept for as long as the page is open.
 */
class Pictures {
  private readonly urls = new Map<string, Promise<string>>();

  constructor(private readonly client: Client) {
    client.on('connection', ({ state }) => {
      if (state === 'signed-out') while (this.urls.size > 0) this.dropOldest();
    });
  }

  get(id: string): Promise<string> {
    const url = this.urls.get(id) ?? this.fetch(id);
    // Moves it to the end: the least recently used picture is dropped first.
    this.urls.delete(id);
    this.urls.set(id, url);
    url.catch(() => this.urls.delete(id));
    if (this.urls.size > MAX_PICTURES) this.dropOldest();
    return url;
  }

  private async fetch(id: string): Promise<string> {
    return URL.createObjectURL(await this.client.fetchAttachment(id));
  }

  private dropOldest(): void {
    const [oldest] = this.urls;
    if (!oldest) return;
    this.urls.delete(oldest[0]);
    void oldest[1].then(
      (url) => URL.revokeObjectURL(url),
      () => undefined,
    );
  }
}

const caches = new WeakMap<Client, Pictures>();

/** The object URL of a picture. Undefined until it is loaded, and if it cannot be loaded. */
export function usePicture(id: string | undefined): string | undefined {
  const client = useClient();
  const [loaded, setLoaded] = useState<{ readonly id: string; readonly url: string }>();
  useEffect(() => {
    if (id === undefined) return undefined;
    let current = true;
    const pictures = caches.get(client) ?? new Pictures(client);
    caches.set(client, pictures);
    pictures.get(id).then(
      (url) => current && setLoaded({ id, url }),
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [client, id]);
  return loaded?.id === id ? loaded?.url : undefined;
}
