import type { ParleyClient } from '@parley/client';
import type { Attachment } from '@parley/contracts';
import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { useClient } from '../shared/chat.ts';

const MAX_LINKS = 200;
/** A link is not begun with when it ends within this time. */
const MIN_LEFT_MS = 30_000;
/** Attempts to go on after errors, until something was played again. */
const MAX_RENEWALS = 3;

/** The links to files that players have now. */
class Links {
  private readonly links = new Map<string, ReturnType<ParleyClient['fileLink']>>();

  constructor(private readonly client: ParleyClient) {
    client.on('connection', ({ state }) => state === 'signed-out' && this.links.clear());
  }

  async get(id: string): Promise<string> {
    const link = await (this.links.get(id) ?? this.renewed(id));
    return Date.parse(link.expiresAt) - Date.now() < MIN_LEFT_MS ? this.renew(id) : link.url;
  }

  async renew(id: string): Promise<string> {
    return (await this.renewed(id)).url;
  }

  private renewed(id: string): ReturnType<ParleyClient['fileLink']> {
    const link = this.client.fileLink({ id });
    this.links.delete(id);
    this.links.set(id, link);
    link.catch(() => this.links.delete(id));
    if (this.links.size > MAX_LINKS) this.links.delete(this.links.keys().next().value!);
    return link;
  }
}

const linksByClient = new WeakMap<ParleyClient, Links>();
function linksOf(client: ParleyClient): Links {
  const links = linksByClient.get(client) ?? new Links(client);
  linksByClient.set(client, links);
  return links;
}

/** An address from which a browser loads a file without a token, for some minutes. */
export const linkTo = (client: ParleyClient, { id }: Pick<Attachment, 'id'>): Promise<string> =>
  linksOf(client).get(id);

/** What a `<video>` or `<audio>` needs to play a file. */
export interface Stream {
  /** Undefined until there is a link. */
  readonly url: string | undefined;
  /** Whether the file cannot be played. */
  readonly failed: boolean;
  readonly events: {
    onError(event: SyntheticEvent<HTMLMediaElement>): void;
    onLoadedMetadata(event: SyntheticEvent<HTMLMediaElement>): void;
    onTimeUpdate(event: SyntheticEvent<HTMLMediaElement>): void;
  };
}

/**
 * Plays a file by a link, of which a player loads only what it needs. When the link has expired, another one takes its
 * place, and the player goes on where it was. `isWanted`: whether to ask for a link yet.
 */
export function useStream({ id }: Pick<Attachment, 'id'>, isWanted: boolean): Stream {
  const client = useClient();
  const [link, setLink] = useState<{ readonly id: string; readonly url?: string; readonly failed?: true }>();
  const resume = useRef<{ readonly at: number; readonly plays: boolean }>(undefined);
  const renewals = useRef(0);
  const current = link?.id === id ? link : undefined;
  useEffect(() => {
    if (!isWanted) return undefined;
    let isCurrent = true;
    renewals.current = 0;
    linkTo(client, { id }).then(
      (url) => isCurrent && setLink({ id, url }),
      () => isCurrent && setLink({ id, failed: true }),
    );
    return () => {
      isCurrent = false;
    };
  }, [client, id, isWanted]);
  return {
    url: current?.url,
    failed: current?.failed === true,
    events: {
      onError: ({ currentTarget: player }) => {
        if (renewals.current++ >= MAX_RENEWALS) return setLink({ id, failed: true });
        resume.current ??= { at: player.currentTime, plays: !player.paused };
        linksOf(client)
          .renew(id)
          .then(
            (url) => setLink({ id, url }),
            () => setLink({ id, failed: true }),
          );
      },
      onLoadedMetadata: ({ currentTarget: player }) => {
        const { at, plays } = resume.current ?? { at: 0, plays: false };
        if (at > 0) player.currentTime = at;
        if (plays) player.play().catch(() => undefined);
      },
      onTimeUpdate: ({ currentTarget: player }) => {
        if (player.paused || player.currentTime <= (resume.current?.at ?? 0)) return;
        resume.current = undefined;
        renewals.current = 0;
      },
    },
  };
}

/** Whether an element has been near the visible part of the page. */
export function useSeen<T extends Element>(): readonly [(element: T | null) => void, boolean] {
  const [element, setElement] = useState<T | null>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!element || seen) return undefined;
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && setSeen(true),
      { rootMargin: '200px' },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [element, seen]);
  return [setElement, seen];
}
