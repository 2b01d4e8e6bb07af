import { indexedDbStorage } from '@parley/client';
import type { Upload } from '../files/uploads.ts';
import type { Draft, Recording } from './draft.ts';

const PREFIX = 'parley draft ';
const VERSION = 1;
/** A longer text is kept only while the page is open. The server takes less than a tenth of it. */
const MAX_CHARACTERS = 200_000;
/** A recording is kept as it is made, in pieces. */
const MAX_PIECES = 1_000;
/** Drafts of one user, and bytes of their files. */
const MAX_DRAFTS = 500;
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** A draft without what belongs to the page: previews, progress, notices. */
type Stored = Pick<Draft, 'text' | 'reply' | 'edit' | 'files' | 'recording' | 'writtenAt'> & {
  readonly version: number;
};

/**
 * Keeps drafts in the browser, by user and conversation: texts in `localStorage`, which a page that is being closed
 * still writes, and the bytes of files in IndexedDB. Its tabs share them. The methods that write say whether it worked:
 * a browser may forbid it or have no room.
 */
export class DraftStorage {
  private readonly blobs = 'indexedDB' in globalThis ? indexedDbStorage('parley drafts') : undefined;

  /** Calls `listener` when another tab has changed a draft. Its `userId` is undefined when the browser cleared all. */
  onChange(listener: (userId: string | undefined, conversationId: string) => void): void {
    addEventListener('storage', ({ key, storageArea }) => {
      if (key === null) return listener(undefined, '');
      if (!key.startsWith(PREFIX) || storageArea !== readable()) return;
      const [userId = '', conversationId = ''] = key.slice(PREFIX.length).split(' ');
      listener(userId, conversationId);
    });
  }

  conversationsOf(userId: string): string[] {
    const prefix = `${PREFIX}${userId} `;
    return Object.keys(readable() ?? {})
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }

  read(userId: string, conversationId: string): Draft | undefined {
    try {
      return draftOf(JSON.parse(readable()?.getItem(keyOf(userId, conversationId)) ?? 'null'));
    } catch {
      return undefined;
    }
  }

  write(userId: string, conversationId: string, draft: Draft): boolean {
    const { text, reply, edit, files, recording, writtenAt } = draft;
    const stored: Stored = {
      version: VERSION,
      writtenAt,
      text,
      reply,
      edit: edit && { ...edit, saving: false },
      files: files.map(withoutPage),
      recording: recording && { ...withoutPage(recording), reply: recording.reply, wanted: recording.wanted },
    };
    const json = JSON.stringify(stored);
    const key = keyOf(userId, conversationId);
    try {
      const storage = readable();
      if (!storage || json.length > MAX_CHARACTERS) return false;
      if (storage.getItem(key) === null && this.conversationsOf(userId).length >= MAX_DRAFTS) return false;
      storage.setItem(key, json);
      return true;
    } catch {
      return false;
    }
  }

  remove(userId: string, conversationId: string): void {
    readable()?.removeItem(keyOf(userId, conversationId));
  }

  /** `usedBytes`: the bytes of the user's other files. */
  async writeFile(userId: string, upload: Upload, file: File, usedBytes: number): Promise<boolean> {
    if (!this.blobs || usedBytes + file.size > MAX_FILE_BYTES) return false;
    try {
      await this.blobs.set(`${userId}/${upload.key}`, file);
      return true;
    } catch {
      return false;
    }
  }

  async readFile(userId: string, key: string): Promise<File | undefined> {
    const file = await this.blobs?.get(`${userId}/${key}`).catch(() => undefined);
    return file instanceof File ? file : undefined;
  }

  async removeFile(userId: string, key: string): Promise<void> {
    await this.blobs?.delete(`${userId}/${key}`).catch(() => undefined);
  }

  /**
   * Keeps a recording while it is made. `add` takes its pieces, in order; `end` forgets them. A page that is closed
   * before leaves them to {@link recoverRecordings}.
   */
  keepRecording(userId: string, conversationId: string): RecordingInProgress {
    const prefix = `${userId}/${RECORDINGS}${conversationId}/${crypto.randomUUID()}/`;
    let release = (): void => undefined;
    // Held as long as the page records. Pages that may record have Web Locks.
    void navigator.locks.request(`parley ${prefix}`, () => new Promise<void>((resolve) => (release = resolve)));
    let hasEnded = false;
    let count = 0;
    let writing: Promise<unknown> = Promise.resolve();
    return {
      add: (piece) => {
        if (hasEnded || count === MAX_PIECES) return;
        const key = `${prefix}${String(count++).padStart(4, '0')}`;
        writing = writing.then(() => this.blobs?.set(key, piece).catch(() => undefined));
      },
      end: async () => {
        hasEnded = true;
        await writing;
        await this.removeAll(prefix);
        release();
      },
    };
  }

  /** Calls `onFound` with each recording of a page that was closed while it recorded. Forgets those that it takes. */
  async recoverRecordings(
    userId: string,
    onFound: (conversationId: string, pieces: readonly Blob[]) => boolean,
  ): Promise<void> {
    const start = `${userId}/${RECORDINGS}`;
    const keys = ((await this.blobs?.entries(start).catch(() => [])) ?? []).map(([key]) => key);
    for (const prefix of new Set(keys.map((key) => key.slice(0, key.lastIndexOf('/') + 1))))
      // Another tab records, or recovers it.
      await navigator.locks?.request(`parley ${prefix}`, { ifAvailable: true }, async (lock) => {
        if (!lock) return;
        const entries = (await this.blobs?.entries(prefix).catch(() => [])) ?? [];
        const pieces = entries
          .toSorted(([one], [other]) => (one < other ? -1 : 1))
          .flatMap(([, piece]) => (piece instanceof Blob ? [piece] : []));
        const conversationId = prefix.slice(start.length).split('/')[0]!;
        if (pieces.length === 0 || onFound(conversationId, pieces)) await this.removeAll(prefix);
      });
  }

  private async removeAll(prefix: string): Promise<void> {
    for (const [key] of (await this.blobs?.entries(prefix).catch(() => [])) ?? [])
      await this.blobs?.delete(key).catch(() => undefined);
  }

  /**
   * Deletes files of the user that belong to no draft: a page was closed while it deleted them. Recordings that are
   * being made stay.
   */
  async removeUnused(userId: string): Promise<void> {
    const stored = (await this.blobs?.entries(`${userId}/`).catch(() => [])) ?? [];
    // A tab writes the draft before the file.
    const used = new Set(
      this.conversationsOf(userId)
        .flatMap((id) => this.read(userId, id) ?? [])
        .flatMap(({ files, recording }) => [...files, ...(recording ? [recording] : [])])
        .map(({ key }) => `${userId}/${key}`),
    );
    for (const [key] of stored)
      if (!used.has(key) && !key.startsWith(`${userId}/${RECORDINGS}`))
        await this.blobs?.delete(key).catch(() => undefined);
  }

  /** Deletes everything of a user. */
  async erase(userId: string): Promise<void> {
    for (const id of this.conversationsOf(userId)) this.remove(userId, id);
    await this.removeAll(`${userId}/`);
  }
}

/** What the keys of pieces of recordings begin with, after the user. */
const RECORDINGS = 'recording/';

/** A recording that is kept while it is made. */
export interface RecordingInProgress {
  add(piece: Blob): void;
  end(): Promise<void>;
}

const keyOf = (userId: string, conversationId: string): string => `${PREFIX}${userId} ${conversationId}`;

/** `localStorage`, unless the browser forbids it. */
function readable(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

const withoutPage = ({ key, name, type, size, attachment, uploadedAt }: Upload): Upload => ({
  key,
  name,
  type,
  size,
  progress: attachment ? 1 : 0,
  attachment,
  uploadedAt,
});

/** Only this app writes here, but an earlier or later version may have. */
function draftOf(value: unknown): Draft | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, text, files, reply, edit, recording, writtenAt } = value as Partial<Stored>;
  if (version !== VERSION || typeof text !== 'string' || !Array.isArray(files)) return undefined;
  return {
    text,
    files: files as readonly Upload[],
    reply,
    edit,
    recording: recording as Recording | undefined,
    writtenAt: typeof writtenAt === 'number' ? writtenAt : 0,
  };
}
