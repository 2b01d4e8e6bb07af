import type { ParleyClient as Client } from '@parley/client';
import { useEffect, useState } from 'react';
import { useClient } from '../shared/chat.ts';

const KEPT = 200;

/** Pictures as addresses that this page can show. Their bytes need the token, so an `<img src>` can't fetch them itself. The last 200 stay for as long as the page does. */
class Pictures {
  private readonly urls = new Map<string, Promise<string>>();

  constructor(private readonly client: Client) {}

  get(id: string): Promise<string> {
    const url = this.urls.get(id) ?? this.fetch(id);
    // The last one used is the last one dropped.
    this.urls.delete(id);
    this.urls.set(id, url);
    url.catch(() => this.urls.delete(id));
    if (this.urls.size > KEPT) this.dropOldest();
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

/** The address of a picture once it is here; `undefined` before that, and when it can't be had. */
export function usePicture(id: string | undefined): string | undefined {
  const client = useClient();
  const [shown, setShown] = useState<{ readonly id: string; readonly url: string }>();
  useEffect(() => {
    if (id === undefined) return undefined;
    let current = true;
    const pictures = caches.get(client) ?? new Pictures(client);
    caches.set(client, pictures);
    pictures.get(id).then(
      (url) => current && setShown({ id, url }),
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [client, id]);
  return shown?.id === id ? shown?.url : undefined;
}
