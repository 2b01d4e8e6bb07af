import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';

const run = promisify(execFile);
const root = new URL('../../../..', import.meta.url);

// These phases share one cluster.
const phases = [
  'saturated, 5',
  'a group of',
  'handshakes',
  'back at once',
  'a page of',
  'sync',
  '/unread',
  'search',
  'heartbeats, one',
  'half load',
  'stored messages',
];
const scenarios = ['send', 'room', 'fanout', 'connect', 'history', 'presence', 'soak', 'scale'];

it('every benchmark runs and prints a complete table', async () => {
  const { amqpUrl, managementUrl, databaseUrl, redisUrl } = inject('servers');
  const env = {
    ...process.env,
    TEST_AMQP_URL: amqpUrl,
    TEST_MANAGEMENT_URL: managementUrl,
    TEST_DATABASE_URL: databaseUrl,
    TEST_REDIS_URL: redisUrl,
  };
  const args = [
    ...scenarios.flatMap((name) => ['--scenario', name]),
    ...phases.flatMap((text) => ['--phase', text]),
    '--seconds',
    '0.2',
    '--rounds',
    '1',
    '--size',
    '0.01',
  ];
  const { stdout } = await run(process.execPath, ['bench/dist/bench.js', ...args], { cwd: root, env });
  const [body, verdicts] = stdout.split('\n| | wanted |');
  expect(verdicts!.match(/\| (met|not met) \|/g)!.length).toBeGreaterThan(2);
  const tables = body!.split(/^## /m).slice(1);
  expect(tables.map((table) => table.split('\n')[0])).toEqual(scenarios);
  for (const table of tables) {
    const figures = table
      .split('\n### ')
      .slice(1)
      .map((phase) => phase.split('\n').filter((line) => line.startsWith('|')))
      .map(([head, , ...rows]) => [head!, rows.find((row) => row.startsWith('| cluster |'))!]);
    expect(figures.length).toBeGreaterThan(0);
    for (const [head, row] of figures) expect(row!.split('|')).toHaveLength(head!.split('|').length);
    // Every phase measured something.
    expect(figures.some(([, row]) => Number.parseFloat(row!.split('|')[2]!) > 0)).toBe(true);
  }
  for (const name of ['naive', 'naive2', 'bare', 'quorum queue alone', 'batched insert alone'])
    expect(tables[0]).toContain(`\n| cluster ÷ ${name} |`);
});
