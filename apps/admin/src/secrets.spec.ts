import { StartError } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { secretFiles, secretsCommand } from './secrets.js';

const password = (name: string): string => `${name}/@`;
const servers = { amqp: 'amqp://rabbit', redis: 'redis://redis' };

describe('the addresses in the secrets of a cluster', () => {
  it('have an account for each service, at every host, with the same parameters', () => {
    const files = secretFiles(password, {
      ...servers,
      database: 'postgres://one:1,[::1]:2/chat?sslmode=require&target_session_attrs=read-write',
    });
    const rest = 'one:1,[::1]:2/chat?sslmode=require&target_session_attrs=read-write';
    expect(files['auth/DATABASE_URL']).toBe(`postgres://parley_auth:AUTH_DB_PASSWORD%2F%40@${rest}`);
    expect(files['migrate/DATABASE_URL']).toBe(`postgres://parley:POSTGRES_PASSWORD%2F%40@${rest}`);
  });

  it('lead the migration and the operator past PgBouncer', () => {
    const files = secretFiles(password, {
      ...servers,
      database: 'postgres://pooler/chat?pgbouncer=true',
      ownerDatabase: 'postgres://server/chat',
    });
    expect(files['messages/DATABASE_URL']).toMatch(/@pooler\/chat\?pgbouncer=true$/);
    for (const part of ['migrate', 'admin']) expect(files[`${part}/DATABASE_URL`]).toMatch(/@server\/chat$/);
  });

  it('are refused when Parley could not use them', async () => {
    const run = (...args: string[]) => secretsCommand.run(['--dir', '/nowhere/at/all', ...args], () => undefined);
    await expect(run('--database', 'postgres://h/db?ssl=true')).rejects.toThrow(StartError);
    await expect(run('--owner-database', 'mysql://h/db')).rejects.toThrow(StartError);
  });
});
