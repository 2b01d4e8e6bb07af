import { ConfigError } from '@parley/service-kit';
import { describe, expect, it } from 'vitest';
import { readConfig } from './config.js';
import { startupMessage } from './startup-message.js';

const problemsOf = (source: NodeJS.ProcessEnv): readonly string[] => {
  try {
    readConfig(source);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};
const rabbit = { AMQP_URL: 'amqp://localhost' };
const servers = { ...rabbit, DATABASE_URL: 'postgres://localhost/parley', REDIS_URL: 'redis://localhost' };

describe('the configuration of everything in one process', () => {
  it('is embedded and for this machine only by default', () => {
    expect(readConfig({})).toMatchObject({
      PORT: 3000,
      HOST: '127.0.0.1',
      DATA_DIR: './data',
      LOG_LEVEL: 'warn',
      SHARDS: 16,
    });
    expect(readConfig({}).AMQP_URL).toBeUndefined();
  });

  it('accepts each server’s address alone, except `AMQP_URL`, which requires both others', () => {
    expect(problemsOf({ REDIS_URL: servers.REDIS_URL })).toEqual([]);
    expect(problemsOf({ DATABASE_URL: servers.DATABASE_URL })).toEqual([]);
    expect(problemsOf(servers)).toEqual([]);
    expect(problemsOf(rabbit)).toEqual([
      'DATABASE_URL: is required with AMQP_URL',
      'REDIS_URL: is required with AMQP_URL',
    ]);
  });

  it('reports all problems at once', () => {
    const problems = problemsOf({
      PORT: 'http',
      DATA_DIR: '',
      SHARDS: '3',
      SESSION_DAYS: '0',
      TRUST_PROXY: 'yes',
      REDIS_URL: 'localhost',
    });
    expect(problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual([
      'PORT',
      'REDIS_URL',
      'SESSION_DAYS',
      'SHARDS',
      'TRUST_PROXY',
    ]);
  });
});

describe('the startup message', () => {
  it.each([
    'http://127.0.0.1:3000',
    'embedded',
    'no RabbitMQ, no Redis',
    'in-process broker',
    '/srv/parley',
    '/api/docs',
    'npm run demo',
  ])('names %s', (part) => {
    const text = startupMessage(readConfig({ DATA_DIR: '/srv/parley' }), 'http://127.0.0.1:3000');
    expect(text).toContain(part);
  });

  it('names servers without their passwords', () => {
    const text = startupMessage(
      readConfig({ ...servers, DATABASE_URL: 'postgres://parley:hunter2@localhost/parley' }),
      'http://127.0.0.1:3000',
    );
    for (const part of ['RabbitMQ', 'Postgres', 'Redis']) expect(text).toContain(part);
    expect(text).not.toMatch(/embedded|hunter2|PGlite/);
  });
});
