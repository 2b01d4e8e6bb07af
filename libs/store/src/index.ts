export * from './database.js';
export * from './entities/index.js';
export { isUniqueViolation, SqlError } from './failures.js';
export { migrate, pendingMigrations, type RolePasswords } from './migrate.js';
export { migrations, roles } from './migrations/index.js';
export { openPglite, type PgliteDatabase, type PgliteOptions } from './pglite.js';
export { connectPostgres, type PostgresOptions } from './postgres.js';
export * from './chat/audience.js';
export * from './chat/rows.js';
