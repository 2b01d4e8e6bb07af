import type { ParleyClient as Client } from '@parley/client';
import type { Attachment, ErrorBody, MessageType } from '@parley/contracts';
import { useCallback, useEffect, useRef, useState } from 'react';

/** A file that is being uploaded for a message. */
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

/** The server's limit of files in one message. */
const MAX_FILES = 20;
let keyCount = 0;

export interface ComposerUploads {
  readonly items: readonly Upload[];
  add(files: Iterable<File>): void;
  remove(key: number): void;
  /** Forgets all files. Finished uploads stay at the server. */
  clear(): void;
}

/** The files of the composer. They are uploaded as soon as they are chosen, so that the message can be sent at once. */
export function useUploads(client: Client): ComposerUploads {
  const [items, setItems] = useState<readonly Upload[]>([]);
  const controllers = useRef(new Map<number, AbortController>());
  const change = useCallback(
    (key: number, part: Partial<Upload>) =>
      setItems((uploads) => uploads.map((upload) => (upload.key === key ? { ...upload, ...part } : upload))),
    [],
  );

  useEffect(() => () => controllers.current.forEach((controller) => controller.abort()), []);

  const add = (files: Iterable<File>) => {
    for (const file of [...files].slice(0, MAX_FILES - items.length)) {
      const key = ++keyCount;
      const controller = new AbortController();
      controllers.current.set(key, controller);
      const preview = file.type.startsWith('image/') ? { preview: URL.createObjectURL(file) } : {};
      setItems((uploads) => [...uploads, { key, name: file.name, type: file.type, progress: 0, ...preview }]);
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
  const revokePreviews = (removed: readonly Upload[]) =>
    removed.forEach(({ preview }) => preview !== undefined && URL.revokeObjectURL(preview));
  return {
    items,
    add,
    remove(key) {
      controllers.current.get(key)?.abort();
      revokePreviews(items.filter((item) => item.key === key));
      setItems((uploads) => uploads.filter((upload) => upload.key !== key));
    },
    clear() {
      revokePreviews(items);
      setItems([]);
    },
  };
}

/** The type of a message with these attachments. */
export function typeOf(attachments: readonly Attachment[]): Exclude<MessageType, 'system'> {
  const kinds = new Set(attachments.map(({ mediaType }) => mediaType.split('/')[0]));
  const [kind] = kinds;
  if (kind === undefined) return 'text';
  return kinds.size === 1 && (kind === 'image' || kind === 'video' || kind === 'audio') ? kind : 'document';
}
