import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, expect, inject, it } from 'vitest';

type Counted = Readonly<Record<string, Readonly<Record<string, { readonly writes: number }>>>>;
let alone: Counted;

beforeAll(async () => {
  const { amqpUrl, managementUrl, databaseUrl, redisUrl } = inject('servers');
  const env = {
    ...process.env,
    TEST_AMQP_URL: amqpUrl,
    TEST_MANAGEMENT_URL: managementUrl,
    TEST_DATABASE_URL: databaseUrl,
    TEST_REDIS_URL: redisUrl,
  };
  const program = new URL('../../../../bench/dist/socket-calls-program.js', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env });
  ({ alone } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { alone: Counted });
}, 180_000);

// Half a write for what happens to fall into the measured time. How a batch falls into turns depends on the machine.
it.each([
  ['messages', 7.5],
  ['gateway', 6.5],
  ['history', 3.5],
] as const)('%s writes to sockets at most %d times for a message that is alone', (process, limit) => {
  const writes = Object.values(alone[process]!).reduce((sum, peer) => sum + peer.writes, 0);
  expect(writes).toBeGreaterThan(0);
  expect(writes).toBeLessThanOrEqual(limit);
});
