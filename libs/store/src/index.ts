export { LockMode, type SqlEntityManager as EntityManager } from '@mikro-orm/postgresql';
export { Database, type QueryOptions, type Row, type Sql, type TransactionOptions } from './database.js';
export {
  databaseUrl,
  parseDatabaseUrl,
  problemOfFiles,
  withAccount,
  type DatabaseHost,
  type DatabaseUrl,
} from './database-url.js';
export * from './entities/index.js';
export { isUniqueViolation, SqlError } from './failures.js';
export { migrateJobConfig } from './migrate-config.js';
export { migrate, type RolePasswords } from './migrate.js';
export { pendingMigrations } from './schema.js';
export { migrations, roles } from './migrations/index.js';
export { FolderInUse } from './pglite/folder-lock.js';
export { connectToPglite, copyPglite, openPglite, type PgliteDatabase, type PgliteOptions } from './pglite/pglite.js';
export { connectPostgres, type PostgresOptions } from './postgres.js';
