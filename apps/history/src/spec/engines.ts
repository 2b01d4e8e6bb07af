import { createLogger } from '@parley/service-kit';
import { connectPostgres, migrate, openPglite, type Database } from '@parley/store';
import { freshDatabase } from '@parley/testing';

export const quiet = createLogger('spec', 'silent');

/** A database as the service has it, and as its owner has it: to arrange and to look. */
export interface Engine {
  readonly database: Database;
  readonly owner: Database;
  /** Another replica's connections to the same database; the same object where there can be only one. */
  replica(): Promise<Database>;
  close(): Promise<void>;
}

const postgres = (serverUrl: string, role: string) => async (): Promise<Engine> => {
  const { url, drop } = await freshDatabase(serverUrl);
  await migrate({ url, logger: quiet });
  const opened: Database[] = [];
  const open = async (options: { role?: string } = {}): Promise<Database> => {
    const database = await connectPostgres({ url, ...options, logger: quiet });
    opened.push(database);
    return database;
  };
  const [database, owner] = [await open({ role }), await open()];
  return {
    database, owner, replica: () => open({ role }),
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
      await drop();
    },
  };
};

const pglite = async (): Promise<Engine> => {
  const database = await openPglite({ memory: true, logger: quiet });
  return { database, owner: database, replica: async () => database, close: () => database.close() };
};

/** Both engines; Postgres under the service's own role. */
export const engines = (serverUrl: string, role: string): readonly (readonly [string, () => Promise<Engine>])[] => [
  ['Postgres', postgres(serverUrl, role)],
  ['PGlite', pglite],
];
