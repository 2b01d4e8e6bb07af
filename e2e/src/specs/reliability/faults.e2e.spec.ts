/** A short run of the faults with one seed. `npm run faults` runs all of them, other seeds and the mutations. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { TcpProxy } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../../deployments/modes.js';
import { History, Load } from '../../programs/faults/load.js';
import { mutations } from '../../programs/faults/mutations.js';
import { embeddedFaults, faults } from '../../programs/faults/faults/index.js';
import { run } from '../../programs/faults/run.js';
import { FaultEmbedded, FaultCluster } from '../../programs/faults/target.js';

const quick = { seed: 1, calmMs: 800, paceMs: 350 } as const;

describe('every promise holds under load', () => {
  let target: FaultCluster;
  beforeAll(async () => {
    target = await FaultCluster.open();
  });
  afterAll(() => target?.close());

  it.each(faults.filter(({ short }) => short).map((fault) => [fault.description, fault] as const))(
    'when this happens to a cluster: %s',
    async (_description, fault) => {
      const { findings, acknowledged } = await run(target, fault, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    },
  );
});

it.each(embeddedFaults.filter(({ short }) => short).map((fault) => [fault.description, fault] as const))(
  'every promise holds in embedded mode: %s',
  async (_description, fault) => {
    const target = await FaultEmbedded.open(fault);
    try {
      const { findings, acknowledged } = await run(target, fault, quick);
      expect(findings).toEqual({});
      expect(acknowledged).toBeGreaterThan(20);
    } finally {
      await target.close();
    }
  },
);

it('the users of a load arrive although all their connections are cut again and again meanwhile', async () => {
  const proxy = await TcpProxy.to((await shared.embedded()).urls[0]!);
  const load = new Load({ seed: 1, urls: [proxy.url('http://127.0.0.1')], history: new History(undefined) });
  let cuts = 0;
  const cutting = setInterval(() => {
    if (cuts < 20 && proxy.cut() > 0) cuts += 1;
  }, 20);
  await load.arrive().finally(() => clearInterval(cutting));
  try {
    expect(load.all.filter(({ client }) => client.state.conversations.size > 0)).toHaveLength(8);
    expect(cuts).toBeGreaterThan(0);
    expect(load.complaints).toEqual({ unanswered: [], refused: [] });
    expect(load.attempts).toMatchObject([{ conversationId: load.groups[0], answers: [{ body: 'message 0' }] }]);
  } finally {
    load.leave();
    await proxy.close();
  }
});

it('the fault program reports a fault that cannot be run, continues with the next, and ends', async () => {
  const program = fileURLToPath(new URL('../../../dist/programs/faults/main.js', import.meta.url));
  const child = spawn(process.execPath, [program, '--only', 'embedded-kill', '--seed', '1'], {
    // Every fault fails when it creates its data folder.
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: '/nonexistent' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = text(child.stdout);
  expect(await once(child, 'close')).toEqual([1, null]);
  expect((await said).match(/BROKEN: cannot be run/g)).toHaveLength(
    embeddedFaults.filter(({ name }) => name.startsWith('embedded-kill')).length,
  );
});

describe('a mutation', () => {
  it.each(mutations)('without $guard names a fault that exists', ({ fault }) => {
    expect(faults.map(({ name }) => name)).toContain(fault);
  });
});
