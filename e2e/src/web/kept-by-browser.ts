import type { Page } from '@parley/testing/browser';

/** Everything that a browser keeps for a page's origin in `localStorage` and IndexedDB, each entry as a text, of files their beginning. */
export const keptByBrowser = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    const resultOf = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error!);
      });
    const textOf = async (value: unknown) =>
      value instanceof File ? `${value.name}: ${await value.slice(0, 200).text()}` : JSON.stringify(value);
    const entries = Object.entries(localStorage).map(([key, value]) => `${key} = ${value as string}`);
    for (const { name } of await indexedDB.databases()) {
      const database = await resultOf(indexedDB.open(name!));
      for (const storeName of database.objectStoreNames) {
        const store = database.transaction(storeName).objectStore(storeName);
        const [keys, values] = await Promise.all([resultOf(store.getAllKeys()), resultOf(store.getAll())]);
        for (const [at, key] of keys.entries())
          entries.push(`${name} ${JSON.stringify(key)} = ${await textOf(values[at])}`);
      }
      database.close();
    }
    return entries;
  });
