import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { commonConfig, ConfigError, env, limitConfig, loadConfig, secret } from './config.js';

const shape = {
  ...commonConfig,
  PORT: env.port.default(3000),
  AMQP_URL: env.url('amqp', 'amqps'),
  SECRET: z.string().min(10),
};

const problemsOf = (source: NodeJS.ProcessEnv, of: z.ZodRawShape = shape): readonly string[] => {
  try {
    loadConfig(of, source);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('configuration', () => {
  it('turns text into frozen typed values with defaults', () => {
    const config = loadConfig(shape, { AMQP_URL: 'amqp://localhost', SECRET: 'long enough', SHARDS: '32' });
    expect(config).toMatchObject({ PORT: 3000, SHARDS: 32, LOG_LEVEL: 'info' });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reports all problems at once without values', () => {
    const problems = problemsOf({ PORT: '70000', SHARDS: '12', SECRET: 'hunter2', AMQP_URL: '' });
    expect(problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual([
      'AMQP_URL',
      'PORT',
      'SECRET',
      'SHARDS',
    ]);
    expect(problems.join()).not.toContain('hunter2');
    expect(problems).toContain('AMQP_URL: is required');
  });

  it('refuses a URL of another scheme', () => {
    expect(problemsOf({ AMQP_URL: 'http://localhost', SECRET: 'long enough' })).toHaveLength(1);
  });

  it.each([
    'https:///chat.example',
    'https:chat.example',
    'https://',
    'https://@/',
    'https://chat.localhost:0',
    'https://chat.localhost:70000',
    'https://chat.localhost:80x',
    'https://chat.localhost # ours',
    'https://chat.localhost/#ours',
    ' https://chat.localhost',
    'https://chat.localhost\nother',
    'https://chat.localhost\\x',
    'https://a b',
  ])('refuses %j as a URL', (url) => {
    expect(problemsOf({ URL: url }, { URL: env.url('http', 'https') })).toHaveLength(1);
  });

  it.each([
    'https://chat.localhost',
    'https://u:p%20w@[::1]:1/a?b=c',
    'https://127.0.0.1:65535/',
    'https://x_y.localhost',
  ])('accepts %s as a URL', (url) => {
    expect(loadConfig({ URL: env.url('http', 'https') }, { URL: url }).URL).toBe(url);
  });

  it.each(['not a host', 'a..b', '-a', 'a-', '[::1]', 'a:80', '1.2.3', '1.2.3.256', '*', 'a/b', 'x'.repeat(64), ' ::'])(
    'refuses %j as a host to listen on',
    (host) => {
      expect(problemsOf({ HEALTH_HOST: host }, commonConfig)).toEqual([expect.stringMatching(/^HEALTH_HOST: must be/)]);
    },
  );

  it.each(['0.0.0.0', '::', '::1', 'fe80::1%eth0', 'localhost', 'db-1.internal', 'my_host'])(
    'accepts %s as a host to listen on',
    (host) => {
      expect(loadConfig(commonConfig, { HEALTH_HOST: host }).HEALTH_HOST).toBe(host);
    },
  );

  it('takes an empty variable as unset', () => {
    expect(loadConfig({ PORT: env.port.default(3000) }, { PORT: '' }).PORT).toBe(3000);
  });
});

describe('limits', () => {
  it.each(Object.entries(limitConfig))('%s is refused outside of its bounds', (name, field) => {
    const shape = { [name]: field };
    const [, min, max] = /from (\d+) to (\d+); the same everywhere$/.exec(field.description!)!.map(Number);
    const problems = [min! - 1, min!, max!, max! + 1].map(
      (value) => problemsOf({ [name]: String(value) }, shape).length,
    );
    expect(problems).toEqual([1, 0, 0, 1]);
    expect(problemsOf({}, shape)).toEqual([]);
  });
});

describe('secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-secrets-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const withSecrets = {
    PASSWORD: secret(z.string().min(10), 'a password'),
    TOKEN: secret(z.string().optional(), 'a token'),
    NAME: z.string().default('parley'),
  };

  it('are read from files, without the line break at their end', () => {
    const config = loadConfig(withSecrets, {
      PASSWORD_FILE: file('password', 'long enough\n'),
      TOKEN_FILE: file('token', '  spaces count '),
    });
    expect(config).toEqual({ PASSWORD: 'long enough', TOKEN: '  spaces count ', NAME: 'parley' });
  });

  it('in empty files count as unset', () => {
    expect(
      problemsOf({ PASSWORD_FILE: file('empty', '\n'), NAME_FILE: file('name', 'somebody') }, withSecrets),
    ).toEqual(['PASSWORD: is required']);
    expect(loadConfig(withSecrets, { PASSWORD: 'long enough', NAME_FILE: file('name', 'somebody') }).NAME).toBe(
      'parley',
    );
  });

  it('that are given twice, unreadable, too long or invalid are reported together, without their values', () => {
    const problems = problemsOf(
      {
        PASSWORD: 'long enough',
        PASSWORD_FILE: file('password', 'hunter2hunter2'),
        TOKEN_FILE: join(folder, 'nowhere'),
      },
      withSecrets,
    );
    expect(problems).toEqual([
      'PASSWORD: is given twice, by itself and by PASSWORD_FILE',
      'TOKEN_FILE: names a file that cannot be read (ENOENT)',
    ]);
    expect(problemsOf({ PASSWORD_FILE: file('long', 'x'.repeat(70_000)), TOKEN_FILE: folder }, withSecrets)).toEqual([
      'PASSWORD_FILE: names a file that is longer than 65536 bytes',
      'TOKEN_FILE: names a file that cannot be read (EISDIR)',
    ]);
    expect(problemsOf({ PASSWORD_FILE: file('short', 'hunter2') }, withSecrets).join()).toMatch(
      /^PASSWORD: (?!.*hunter2)/,
    );
  });
});
