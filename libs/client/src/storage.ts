import { pause } from './retry.js';

/**
 * Where a client keeps its session and its unsent messages. Values are structured-cloneable. Implement it to keep them
 * elsewhere, for example in a native app's database or in an encrypted store.
 */
export interface ClientStorage {
  get(key: string): Promise<unknown>;
  /** Resolves when neither a reload nor a crash would lose the value. */
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
  /** The entries whose keys begin with `prefix`, sorted by key. */
  entries(prefix: string): Promise<[key: string, value: unknown][]>;
  /**
   * Runs `work` under a lock of this name, which excludes all users of the storage, also other tabs. The lock is
   * released when `work` settles.
   */
  lock<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** Locks by name within this process, in the order of asking. */
export class Locks {
  private readonly turns = new Map<string, Promise<unknown>>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const previous = this.turns.get(name);
    const turn = (async () => {
      await previous?.catch(() => undefined);
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

/** A storage in memory: it ends with the page or process. */
export function memoryStorage(): ClientStorage {
  const values = new Map<string, unknown>();
  const locks = new Locks();
  return {
    get: async (key) => values.get(key),
    set: async (key, value) => void values.set(key, structuredClone(value)),
    delete: async (key) => void values.delete(key),
    entries: async (prefix) =>
      [...values].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    lock: (name, work) => locks.run(name, work),
  };
}

/**
 * Wraps a storage so that it never fails: failures are reported, and memory is used instead. Chatting works
 * without storage: in a private window, or on a full disk.
 */
export function tolerant(storage: ClientStorage, report: (cause: unknown) => void): ClientStorage {
  const memory = memoryStorage();
  const attempt = async <T>(work: (target: ClientStorage) => Promise<T>): Promise<T> => {
    try {
      return await work(storage);
    } catch (cause) {
      report(cause);
      return work(memory);
    }
  };
  return {
    get: (key) => attempt((target) => target.get(key)),
    async set(key, value) {
      await memory.set(key, value);
      await attempt((target) => target.set(key, value));
    },
    async delete(key) {
      await memory.delete(key);
      await attempt((target) => target.delete(key));
    },
    entries: (prefix) => attempt((target) => target.entries(prefix)),
    lock: (name, work) => storage.lock(name, work),
  };
}

const STORE = 'values';

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => void request.result.createObjectStore(STORE);
  return resultOf(request);
}

/** Longer than any work under a lock takes: a lease that is older belongs to a tab that is gone. */
const LEASE_MS = 60_000;
const LEASE_RETRY_MS = 50;

/** Who holds a lock, and until when by the clock of the machine. */
interface Lease {
  readonly holder: string;
  readonly until: number;
}

/**
 * A storage in the browser's IndexedDB, which the tabs of an origin share. Its locks exclude other tabs: they are Web
 * Locks, or, in old browsers and on insecure pages, leases in the database.
 */
export function indexedDbStorage(name: string): ClientStorage {
  const locks = new Locks();
  let opened: Promise<IDBDatabase> | undefined;
  const database = () =>
    (opened ??= openDatabase(name).then(
      (db) => {
        // Browsers close the database when they need space, or when it is deleted. The next use opens it again.
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
  /** Reads a value and replaces it in one transaction, which those of other tabs wait for. */
  const exchange = async (key: string, next: (value: unknown) => unknown): Promise<void> =>
    write((store) => {
      const reading = store.get(key) as IDBRequest<unknown>;
      reading.onsuccess = () => {
        const value = next(reading.result);
        if (value === undefined) store.delete(key);
        else store.put(value, key);
      };
    });
  const tryLease = async (key: string, holder: string): Promise<boolean> => {
    let isMine = false;
    await exchange(key, (value) => {
      const now = Date.now();
      const lease = value as Lease | undefined;
      // A lease from the future was made before the clock was set back.
      isMine = lease === undefined || lease.until <= now || lease.until > now + LEASE_MS;
      return isMine ? ({ holder, until: now + LEASE_MS } satisfies Lease) : lease;
    });
    return isMine;
  };
  const underLease = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const holder = String(Math.random());
    // Without a database there is nothing that tabs could share.
    while (!(await tryLease(key, holder).catch(() => true))) await pause(LEASE_RETRY_MS);
    try {
      return await work();
    } finally {
      const release = (value: unknown) => ((value as Lease | undefined)?.holder === holder ? undefined : value);
      await exchange(key, release).catch(() => undefined);
    }
  };
  const read = async () => (await database()).transaction(STORE, 'readonly').objectStore(STORE);
  return {
    get: async (key) => resultOf((await read()).get(key) as IDBRequest<unknown>),
    set: (key, value) => write((store) => store.put(value, key)),
    delete: (key) => write((store) => store.delete(key)),
    async entries(prefix) {
      const store = await read();
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const [keys, values] = await Promise.all([
        resultOf(store.getAllKeys(range)),
        resultOf(store.getAll(range) as IDBRequest<unknown[]>),
      ]);
      return keys.map((key, at) => [key as string, values[at]]);
    },
    lock: (lock, work) =>
      'locks' in navigator
        ? (navigator.locks.request(`${name}/${lock}`, work) as ReturnType<typeof work>)
        : locks.run(lock, () => underLease(`lock/${lock}`, work)),
  };
}

/** IndexedDB if there is one, else memory. */
export const defaultStorage = (name: string): ClientStorage =>
  'indexedDB' in globalThis ? indexedDbStorage(name) : memoryStorage();
