import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { commonConfig, ConfigError, env, loadConfig } from './config.js';

const shape = { ...commonConfig, PORT: env.port.default(3000), AMQP_URL: env.url('amqp', 'amqps'), SECRET: z.string().min(10) };

const problemsOf = (source: NodeJS.ProcessEnv): readonly string[] => {
  try {
    loadConfig(shape, source);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('configuration', () => {
  it('turns text into typed values, with defaults, and freezes them', () => {
    const config = loadConfig(shape, { AMQP_URL: 'amqp://localhost', SECRET: 'long enough', SHARDS: '32' });
    expect(config).toMatchObject({ PORT: 3000, SHARDS: 32, LOG_LEVEL: 'info' });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reports all problems at once, each with its variable, and never a value', () => {
    const problems = problemsOf({ PORT: '70000', SHARDS: '12', SECRET: 'hunter2', AMQP_URL: '' });
    expect(problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual(['AMQP_URL', 'PORT', 'SECRET', 'SHARDS']);
    expect(problems.join()).not.toContain('hunter2');
    expect(problems).toContain('AMQP_URL: is required');
  });

  it('refuses a URL of another scheme', () => {
    expect(problemsOf({ AMQP_URL: 'http://localhost', SECRET: 'long enough' })).toHaveLength(1);
  });

  it('takes an empty variable as unset', () => {
    expect(loadConfig({ PORT: env.port.default(3000) }, { PORT: '' }).PORT).toBe(3000);
  });
});
