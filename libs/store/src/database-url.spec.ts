import { createLogger, loadConfig, secret, StartError } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { databaseUrl, parseDatabaseUrl, withAccount } from './database-url.js';
import { connectPostgres } from './postgres.js';

const problemOf = (url: string): string => {
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return (error as Error).message;
  }
  return 'none';
};

describe('the address of a database', () => {
  it('has an account, a host, a port and a database', () => {
    expect(parseDatabaseUrl('postgres://me:se%40cr%3Aet:x@db.example.org:6000/chat')).toMatchObject({
      hosts: [{ host: 'db.example.org', port: 6000 }],
      user: 'me',
      password: 'se@cr:et:x',
      database: 'chat',
      sslMode: 'disable',
      target: 'any',
      isPooled: false,
      title: 'db.example.org:6000/chat',
    });
    expect(parseDatabaseUrl('postgresql://localhost/parley')).toMatchObject({
      hosts: [{ host: 'localhost', port: 5432 }],
      user: undefined,
      password: undefined,
    });
  });

  it.each([
    ['postgres://u:p@[::1]:6000/db', [{ host: '::1', port: 6000 }]],
    ['postgres://u:p@[2001:db8::7]/db', [{ host: '2001:db8::7', port: 5432 }]],
    [
      'postgres://u:p@one:1,two,[::1]:3/db',
      [
        { host: 'one', port: 1 },
        { host: 'two', port: 5432 },
        { host: '::1', port: 3 },
      ],
    ],
    ['postgres://u:p@%2Fvar%2Frun%2Fpostgresql/db', [{ host: '/var/run/postgresql', port: 5432 }]],
    ['postgres:///db', [{ host: 'localhost', port: 5432 }]],
  ])('names hosts: %s', (url, hosts) => {
    expect(parseDatabaseUrl(url).hosts).toEqual(hosts);
  });

  it.each([
    ['mysql://u:hunter22@h/db', /must begin with postgres:\/\//],
    ['h:5432/db', /must begin/],
    ['postgres://u:hunter22@::1:5432/db', /IPv6 address in brackets/],
    ['postgres://u:hunter22@[::g]:5432/db', /something else than an IPv6/],
    ['postgres://u:hunter22@h:0/db', /between 1 and 65535/],
    ['postgres://u:hunter22@h:65536/db', /between 1 and 65535/],
    ['postgres://u:hunter22@h:12x/db', /cannot be read/],
    ['postgres://u:hunter22@h/db # ours', /white space/],
    ['postgres://u:hunter22@h/db\n', /white space/],
    ['postgres://u:hunter22%@h/db', /write % as %25/],
    ['postgres://u:hun/ter22@h/db', /cannot be read/],
    ['postgres://u:hunter22#@h/db', /cannot be read/],
    [`postgres://u:hunter22@${Array.from({ length: 11 }, (_, at) => `h${at}`).join(',')}/db`, /more than 10 hosts/],
    ['postgres://u:hunter22@h/db?sslmode=on', /a sslmode that is none of disable, allow, prefer, require/],
    ['postgres://u:hunter22@h/db?sslmode=', /a sslmode that is none of/],
    ['postgres://u:hunter22@h/db?sslmode=require&sslmode=disable', /sslmode twice/],
    ['postgres://u:hunter22@h/db?sslmode=verify-ca', /needs sslrootcert/],
    ['postgres://u:hunter22@h/db?sslmode=verify-full', /needs sslrootcert/],
    ['postgres://u:hunter22@h/db?sslmode=require&sslrootcert=system', /verify-full only/],
    ['postgres://u:hunter22@h/db?sslmode=require&sslcert=/x', /both sslcert and sslkey/],
    ['postgres://u:hunter22@h/db?target_session_attrs=standby', /none of any, read-write, primary/],
    ['postgres://u:hunter22@h/db?channel_binding=require', /the parameter channel_binding, which Parley does not know/],
    ['postgres://u:hunter22@h/db?ssl=true', /the parameter ssl, which/],
    ['postgres://u:hunter22@h/db?SSLMODE=require', /which Parley does not know/],
    ['postgres://h/db?hunter22', /the parameter of another name/],
  ])('is refused with a reason and without its password: %s', (url, reason) => {
    const problem = problemOf(url);
    expect(problem).toMatch(reason);
    expect(problem).not.toMatch(/hunter22|ter22|\n/);
  });

  it('is a problem of the configuration when it is wrong', () => {
    const read = (DATABASE_URL: string) => loadConfig({ DATABASE_URL: secret(databaseUrl, 'x') }, { DATABASE_URL });
    expect(read('postgres://u:p@one,two/db?target_session_attrs=read-write')).toBeDefined();
    expect(() => read('postgres://u:hunter22@h/db?sslmode=on')).toThrow(
      /^configuration: DATABASE_URL: has a sslmode that is none of [^2]*$/,
    );
  });

  it('can be given another account', () => {
    expect(withAccount('postgres://one:1,[::1]:2/db?sslmode=require', 'me', 'a@b/c')).toBe(
      'postgres://me:a%40b%2Fc@one:1,[::1]:2/db?sslmode=require',
    );
    expect(withAccount('postgres://x:y@h/db', 'me', 'p')).toBe('postgres://me:p@h/db');
  });

  it('names files that must be there', async () => {
    const connecting = connectPostgres({
      url: 'postgres://u:hunter22@127.0.0.1:9/db?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem',
      logger: createLogger('spec', 'silent'),
    });
    await expect(connecting).rejects.toThrow(
      'the file /nowhere/ca.pem of sslrootcert in the address of the database cannot be read (ENOENT)',
    );
  });
});
