import { Migrator } from '@mikro-orm/migrations';
import type { AbstractSqlDriver, Options, SqlMikroORM } from '@mikro-orm/postgresql';
import type { Logger } from '@parley/service-kit';
import { entities } from './entities/index.js';
import { migrations, migrationTable } from './migrations/index.js';

/** MikroORM on either engine. */
export type Orm = SqlMikroORM<AbstractSqlDriver>;

/** MikroORM's options for both engines. Entities and migrations are listed, so it never searches the file system. */
export const ormOptions = (
  logger: Logger,
): Pick<
  Options,
  | 'entities'
  | 'extensions'
  | 'migrations'
  | 'debug'
  | 'logger'
  | 'discovery'
  | 'forceUtcTimezone'
  | 'metadataCache'
  | 'ensureDatabase'
> => ({
  entities: [...entities],
  extensions: [Migrator],
  migrations: {
    migrationsList: migrations,
    tableName: `${migrationTable.schema}.${migrationTable.name}`,
    snapshot: false,
    transactional: true,
    allOrNothing: true,
  },
  discovery: { warnWhenNoEntities: false },
  metadataCache: { enabled: false },
  // The operator creates the database. A misspelled name must not create another one.
  ensureDatabase: false,
  forceUtcTimezone: true,
  debug: false,
  logger: (message) => logger.debug({ part: 'orm' }, message),
});
