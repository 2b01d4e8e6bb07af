import type { ParleyClient as Client } from '@parley/client';
import type { Attachment, ErrorBody, MessageType } from '@parley/contracts';
import { useCallback, useEffect, useRef, useState } from 'react';

/** A file on its way into a message. */
export interface Upload {
  readonly key: number;
  readonly name: string;
  readonly type: string;
  readonly preview?: string;
  /** 0 to 1. */
  readonly progress: number;
  readonly attachment?: Attachment;
  readonly problem?: ErrorBody;
}

/** The server's limit for one message. */
const MOST = 20;
let keys = 0;

export interface Uploads {
  readonly items: readonly Upload[];
  add(files: Iterable<File>): void;
  remove(key: number): void;
  /** Forgets them all, without cancelling what has arrived. */
  clear(): void;
}

/** Files are sent as soon as they are chosen, so that the message that carries them goes out at once. */
export function useUploads(client: Client): Uploads {
  const [items, setItems] = useState<readonly Upload[]>([]);
  const controllers = useRef(new Map<number, AbortController>());
  const change = useCallback(
    (key: number, part: Partial<Upload>) =>
      setItems((all) => all.map((one) => (one.key === key ? { ...one, ...part } : one))),
    [],
  );

  useEffect(() => () => controllers.current.forEach((controller) => controller.abort()), []);

  const add = (files: Iterable<File>) => {
    for (const file of [...files].slice(0, MOST - items.length)) {
      const key = ++keys;
      const controller = new AbortController();
      controllers.current.set(key, controller);
      const preview = file.type.startsWith('image/') ? { preview: URL.createObjectURL(file) } : {};
      setItems((all) => [...all, { key, name: file.name, type: file.type, progress: 0, ...preview }]);
      client
        .upload(file, {
          signal: controller.signal,
          onProgress: (sent, total) => change(key, { progress: total ? sent / total : 0 }),
        })
        .then(
          (attachment) => change(key, { attachment, progress: 1 }),
          (problem: ErrorBody) => controller.signal.aborted || change(key, { problem }),
        )
        .finally(() => controllers.current.delete(key));
    }
  };
  const forget = (gone: readonly Upload[]) =>
    gone.forEach(({ preview }) => preview !== undefined && URL.revokeObjectURL(preview));
  return {
    items,
    add,
    remove(key) {
      controllers.current.get(key)?.abort();
      forget(items.filter((one) => one.key === key));
      setItems((all) => all.filter((one) => one.key !== key));
    },
    clear() {
      forget(items);
      setItems([]);
    },
  };
}

/** What a message with these files is. */
export function typeOf(attachments: readonly Attachment[]): Exclude<MessageType, 'system'> {
  const kinds = new Set(attachments.map(({ mediaType }) => mediaType.split('/')[0]));
  const [kind] = kinds;
  if (kind === undefined) return 'text';
  return kinds.size === 1 && (kind === 'image' || kind === 'video' || kind === 'audio') ? kind : 'document';
}
