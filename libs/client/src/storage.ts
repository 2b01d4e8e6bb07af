/**
 * Where a client keeps its session and the messages that wait to be sent. Values are structured-cloneable. Implement it to keep them elsewhere: a native app's database, an
 * encrypted store.
 */
export interface ClientStorage {
  get(key: string): Promise<unknown>;
  /** Resolves when a reload or a crash would not lose it. */
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  /** Everything whose key begins with `prefix`, by key. */
  entries(prefix: string): Promise<[key: string, value: unknown][]>;
  /** Runs `work` while nobody else who shares this storage, other tabs among them, runs work under the same name. */
  lock<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** One at a time, by name, in this process. */
export class Locks {
  private readonly turns = new Map<string, Promise<unknown>>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(name);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.turns.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.turns.get(name) === turn) this.turns.delete(name);
    }
  }
}

/** Gone with the process. */
export function memoryStorage(): ClientStorage {
  const values = new Map<string, unknown>();
  const locks = new Locks();
  return {
    get: async (key) => values.get(key),
    set: async (key, value) => void values.set(key, structuredClone(value)),
    delete: async (key) => void values.delete(key),
    entries: async (prefix) =>
      [...values].filter(([key]) => key.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    lock: (name, work) => locks.run(name, work),
  };
}

/** The same, but one that fails is reported and stood in for by memory: a private window, or a full disk, does not keep anybody from chatting. */
export function tolerant(storage: ClientStorage, report: (cause: unknown) => void): ClientStorage {
  const memory = memoryStorage();
  const attempt = async <T>(work: (one: ClientStorage) => Promise<T>): Promise<T> => {
    try {
      return await work(storage);
    } catch (cause) {
      report(cause);
      return work(memory);
    }
  };
  return {
    get: (key) => attempt((one) => one.get(key)),
    async set(key, value) {
      await memory.set(key, value);
      await attempt((one) => one.set(key, value));
    },
    async delete(key) {
      await memory.delete(key);
      await attempt((one) => one.delete(key));
    },
    entries: (prefix) => attempt((one) => one.entries(prefix)),
    lock: (name, work) => storage.lock(name, work),
  };
}

const STORE = 'values';

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });

function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
  return done(request);
}

/** A browser's IndexedDB, shared by the tabs of an origin. Locks are the browser's, so they hold over tabs; in one that has none, and on pages that are not secure, within this tab. */
export function indexedDbStorage(name: string): ClientStorage {
  const locks = new Locks();
  let opened: Promise<IDBDatabase> | undefined;
  const database = () =>
    (opened ??= openDatabase(name).then(
      (db) => {
        // Browsers close it when they need the room, or when it is deleted: the next use opens it again.
        db.onclose = () => (opened = undefined);
        db.onversionchange = () => (db.close(), (opened = undefined));
        return db;
      },
      (error: unknown) => {
        opened = undefined;
        throw error;
      },
    ));
  const write = async (change: (store: IDBObjectStore) => void): Promise<void> => {
    const transaction = (await database()).transaction(STORE, 'readwrite');
    change(transaction.objectStore(STORE));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('IndexedDB failed'));
    });
  };
  const read = async () => (await database()).transaction(STORE, 'readonly').objectStore(STORE);
  return {
    get: async (key) => done((await read()).get(key) as IDBRequest<unknown>),
    set: (key, value) => write((store) => store.put(value, key)),
    delete: (key) => write((store) => store.delete(key)),
    async entries(prefix) {
      const store = await read();
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const [keys, values] = await Promise.all([
        done(store.getAllKeys(range)),
        done(store.getAll(range) as IDBRequest<unknown[]>),
      ]);
      return keys.map((key, at) => [key as string, values[at]]);
    },
    lock: (lock, work) =>
      'locks' in navigator
        ? (navigator.locks.request(`${name}/${lock}`, work) as ReturnType<typeof work>)
        : locks.run(lock, work),
  };
}

/** IndexedDB where there is one, memory elsewhere. */
export const defaultStorage = (name: string): ClientStorage =>
  'indexedDB' in globalThis ? indexedDbStorage(name) : memoryStorage();
