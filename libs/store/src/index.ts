export * from './database.js';
export * from './entities/index.js';
export { isUniqueViolation, SqlError } from './failures.js';
export { migrateJobConfig } from './migrate-config.js';
export { migrate, type RolePasswords } from './migrate.js';
export { pendingMigrations } from './schema.js';
export { migrations, roles } from './migrations/index.js';
export { openPglite, type PgliteDatabase, type PgliteOptions } from './pglite.js';
export { connectPostgres, type PostgresOptions } from './postgres.js';
