import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSecret } from '@parley/service-kit';
import { afterAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { configCheckCommand, problemsOf, unknownNames } from './config-check.js';
import { configurationPage } from './configuration-page.js';
import { programs } from './programs.js';

const folder = mkdtempSync(join(tmpdir(), 'parley-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const program = (name: string) => programs.find((one) => one.name === name)!;
const check = async (...args: string[]) => {
  const lines: string[] = [];
  const code = await configCheckCommand.run(args, (line) => void lines.push(line));
  return { code, lines };
};

describe('docs/configuration.md', () => {
  it('is generated from the schemas (npm run config:doc)', () => {
    expect(readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')).toBe(
      configurationPage(),
    );
  });

  it.each(programs)('describes every variable of $name', ({ shape }) => {
    for (const [name, field] of Object.entries(shape)) expect((field as z.ZodType).description, name).toBeTruthy();
  });
});

describe('secrets', () => {
  it.each(programs)(
    'of $name are marked: every variable that contains a password, a key or an address with one',
    ({ shape }) => {
      const secretNames = Object.entries(shape).filter(([name]) =>
        /PASSWORD$|SECRET|ACCESS_KEY_ID|(AMQP|DATABASE|REDIS)_URL/.test(name),
      );
      expect(secretNames.filter(([, field]) => !isSecret(field as z.ZodType)).map(([name]) => name)).toEqual([]);
    },
  );
});

describe('npm run config:check', () => {
  it('reports all problems of all programs at once', async () => {
    const env = file(
      'bad.env',
      `AMQP_URL=http://hunter2\nREDIS_URL_FILE=${join(folder, 'nowhere')}\nPORT=70000\nSHARDS=12\nALOWED_ORIGINS=*\n`,
    );
    const { code, lines } = await check('gateway', 'auth', '--env-file', env);
    expect(code).toBe(1);
    const text = lines.join('\n');
    for (const part of [
      'ALOWED_ORIGINS: none of these programs reads it',
      'gateway: 4 problems',
      '  PORT: ',
      '  REDIS_URL_FILE: names a file that cannot be read (ENOENT)',
      'auth: 3 problems',
      '  DATABASE_URL: is required',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('hunter2');
  });

  it.each([
    ['AMQP_URL', 'amqp://', 'has a host'],
    ['AMQP_URL', 'amqp:///parley', 'has a host'],
    ['REDIS_URL', 'redis://', 'has a host'],
    ['REDIS_URL', 'redis://:secret@', 'has a host'],
    ['DATABASE_URL', 'postgres:///parley', 'has no host'],
    ['DATABASE_URL', 'postgres://parley:secret@/parley', 'has no host'],
    ['DATABASE_URL', 'postgres://:5432/parley', 'has no host'],
    ['DATABASE_URL', 'postgres://', 'has no host'],
    ['DATABASE_URL', `postgres://db/parley?sslmode=verify-full&sslrootcert=${folder}/nowhere`, 'sslrootcert'],
    ['DATABASE_URL', `postgres://db/parley?sslmode=verify-ca&sslrootcert=${folder}`, 'EISDIR'],
    [
      'DATABASE_URL',
      `postgres://db/parley?sslmode=require&sslcert=${folder}/no.crt&sslkey=${folder}/no.key`,
      'sslcert',
    ],
    ['DATABASE_URL', `postgres://db/parley?sslmode=verify-ca&sslrootcert=${folder}/no-pem`, 'cannot be used'],
  ])('finds an address without a host and files that cannot be used: %s=%s', async (name, value, problem) => {
    file('no-pem', '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n');
    const good = { AMQP_URL: 'amqp://a', REDIS_URL: 'redis://a', DATABASE_URL: 'postgres://a/b' };
    const write = (values: Record<string, string>) =>
      file(
        'one.env',
        Object.entries(values)
          .map((pair) => pair.join('='))
          .join('\n'),
      );
    expect((await check('--env-file', write(good))).lines).toEqual(['standalone: fine']);
    const { code, lines } = await check('--env-file', write({ ...good, [name]: value }));
    expect([code, lines[0]]).toEqual([1, 'standalone: a problem']);
    expect(lines[1]).toMatch(new RegExp(`^  ${name}: .*${problem}`));
    expect(lines.join()).not.toContain('secret');
  });

  it('finds folders that cannot be used, and accepts missing ones', async () => {
    const notFolder = file('data', '');
    for (const [path, code] of [
      [join(folder, 'missing'), 0],
      [notFolder, 1],
      [join(notFolder, 'data'), 1],
    ] as const)
      expect((await check('--env-file', file('dir.env', `DATA_DIR=${path}`))).code, path).toBe(code);
  });

  it.runIf(process.platform === 'linux')('finds folders that cannot be created, and leaves none behind', async () => {
    const inner = join(folder, 'to-be/made');
    const of = (path: string) => check('--env-file', file('made.env', `DATA_DIR=${path}`));
    const before = readdirSync(folder);
    for (const path of ['/proc/x', '/proc/self', '/proc/x/y/z']) {
      const { code, lines } = await of(path);
      expect([code, lines[1]]).toEqual([1, expect.stringMatching(/^  DATA_DIR: .*cannot be created or written \(E/)]);
    }
    expect((await of(inner)).code).toBe(0);
    expect((await of(folder)).code).toBe(0);
    expect(readdirSync(folder).toSorted()).toEqual([...new Set([...before, 'made.env'])].toSorted());
  });

  it('accepts variables that only one of the programs reads', async () => {
    const url = file('amqp', 'amqp://parley:secret@rabbitmq\n');
    const redis = file('redis', 'redis://redis');
    const env = file(
      'good.env',
      `AMQP_URL_FILE=${url}\nREDIS_URL_FILE=${redis}\nALLOWED_ORIGINS=https://chat.example.org\n`,
    );
    expect(await check('gateway', 'presence', '--env-file', env)).toEqual({
      code: 0,
      lines: ['gateway: fine', 'presence: fine'],
    });
  });

  it('reports variables that require each other', () => {
    expect(problemsOf(program('standalone'), { AMQP_URL: 'amqp://localhost' })).toEqual([
      'DATABASE_URL: is required with AMQP_URL',
      'REDIS_URL: is required with AMQP_URL',
    ]);
  });

  it('accepts files for secrets only', () => {
    expect(unknownNames([program('gateway')], { S3_SECRET_ACCESS_KEY_FILE: 'x', PORT_FILE: 'x' })).toEqual([
      'PORT_FILE',
    ]);
  });

  it('rejects an unknown program and lists the known ones', async () => {
    await expect(check('getaway')).rejects.toThrow('there is no program getaway; there are standalone, gateway');
  });
});
