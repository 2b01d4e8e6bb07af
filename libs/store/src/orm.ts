import { Migrator } from '@mikro-orm/migrations';
import type { AbstractSqlDriver, Options, SqlMikroORM } from '@mikro-orm/postgresql';
import type { Logger } from '@parley/service-kit';
import { entities } from './entities/index.js';
import { migrations, migrationTable } from './migrations/index.js';

export type Orm = SqlMikroORM<AbstractSqlDriver>;

/** What MikroORM is told on both engines. It never looks at the file system: entities and migrations are listed. */
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
  // Whoever runs Parley makes the database; a wrong name must not make another.
  ensureDatabase: false,
  forceUtcTimezone: true,
  debug: false,
  logger: (message) => logger.debug({ part: 'orm' }, message),
});
