import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { commonConfig, loadConfig } from './config.js';
import { listen } from './ports.js';
import { startService, type ServiceContext } from './service.js';

/** The name of a resource, and how long it was given to close. */
type Ended = readonly [name: string, graceMs?: number | undefined];
type Config = ReturnType<typeof configOf>;
const configOf = (source: NodeJS.ProcessEnv) => loadConfig(commonConfig, { LOG_LEVEL: 'silent', ...source });

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, 0, '127.0.0.1', 'PORT');
  server.close();
  await once(server, 'close');
  return port;
}

/** A resource that notes its end, and how long it was given for it. */
const resource = (name: string, ended: Ended[], failure?: Error) => ({
  async close(graceMs?: number) {
    ended.push([name, graceMs]);
    if (failure) throw failure;
  },
});

describe('a service', () => {
  it('is ready only while it serves', async () => {
    const port = await freePort();
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}/health/${path}`)).status;
    const stopping = Promise.withResolvers<number>();
    const service = await startService('probe', configOf({ HEALTH_PORT: String(port) }), async () => {
      expect([await status('live'), await status('ready')]).toEqual([200, 503]);
      return { stop: async () => stopping.resolve(await status('ready')) };
    });
    expect([await status('live'), await status('ready')]).toEqual([200, 200]);
    await service.stop();
    expect(await stopping.promise).toBe(503);
    await expect(status('live')).rejects.toThrow();
  });

  it('is ready only while each checked resource has no problem', async () => {
    let problem: string | undefined = 'no connection';
    let health!: ServiceContext<Config>['health'];
    const service = await startService('probe', configOf({}), async (context) => {
      health = context.health;
      context.use(resource('database', []), 'database', () => problem);
      return { stop: async () => undefined };
    });
    expect(health.report()).toEqual({ ready: false, problems: { database: 'no connection' } });
    problem = undefined;
    expect(health.report().ready).toBe(true);
    await service.stop();
  });

  it('stops serving first, then closes its resources in reverse order within the rest of the grace period', async () => {
    const ended: Ended[] = [];
    const service = await startService('probe', configOf({ SHUTDOWN_GRACE_MS: '60000' }), async ({ use }) => {
      use(resource('database', ended));
      use(resource('broker', ended));
      return { stop: async () => void ended.push(['serving']) };
    });
    await service.stop();
    expect(ended.map(([name]) => name)).toEqual(['serving', 'broker', 'database']);
    for (const [, graceMs] of ended.slice(1)) expect(graceMs).toBeGreaterThan(50_000);
    expect(service.stopTimeoutMs).toBeGreaterThan(60_000);
  });

  it('leaves time for closing when the grace period is over', async () => {
    const ended: Ended[] = [];
    const service = await startService('probe', configOf({ SHUTDOWN_GRACE_MS: '0' }), async ({ use }) => {
      use(resource('broker', ended));
      return { stop: async () => undefined };
    });
    await service.stop();
    expect(ended[0]![1]).toBeGreaterThan(0);
  });

  it('closes everything also when one close fails', async () => {
    const ended: Ended[] = [];
    const service = await startService('probe', configOf({}), async ({ use }) => {
      use(resource('database', ended));
      use(resource('broker', ended, new Error('stuck')));
      return { stop: async () => undefined };
    });
    await expect(service.stop()).rejects.toThrow('stuck');
    expect(ended.map(([name]) => name)).toEqual(['broker', 'database']);
  });

  it('closes its resources when its start fails', async () => {
    const ended: Ended[] = [];
    const start = startService('probe', configOf({}), async ({ use }) => {
      use(resource('database', ended));
      throw new Error('no broker');
    });
    await expect(start).rejects.toThrow('no broker');
    expect(ended.map(([name]) => name)).toEqual(['database']);
  });
});

describe('the process of a service', () => {
  /** Runs a service whose `open` has the given body, built, in a process of its own. */
  function probe(open: string, env: Readonly<Record<string, string>> = {}) {
    const kit = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);
    const program = `
      import { commonConfig, runService, StartError } from ${kit};
      await runService('probe', commonConfig, async ({ use }) => { ${open} });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const serving = new Promise<void>((resolve) =>
      child.stdout.on('data', () => void (output.includes('"serving"') && resolve())),
    );
    const exited = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
    return { child, serving, exited };
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('stops on %s and ends with code 0', async (signal) => {
    const service = probe(`return { stop: async () => console.log('work is done') };`);
    await service.serving;
    service.child.kill(signal);
    const { code, output } = await service.exited;
    expect(code).toBe(0);
    expect(output).toContain('work is done');
  });

  it('ends at once on a second signal', async () => {
    const service = probe(`return { stop: () => { console.log('stopping'); return new Promise(() => {}); } };`);
    await service.serving;
    const stopping = new Promise<void>((resolve) =>
      service.child.stdout.on('data', (text: string) => void (text.includes('stopping') && resolve())),
    );
    service.child.kill('SIGTERM');
    await stopping;
    service.child.kill('SIGTERM');
    expect((await service.exited).code).toBe(1);
  });

  it('reports in one line why it cannot start', async () => {
    expect(await probe(`throw new StartError('no database');`).exited).toEqual({
      code: 1,
      output: 'probe: no database\n',
    });
  });

  it('says every problem of its configuration', async () => {
    const { code, output } = await probe('', { SHARDS: '12', LOG_LEVEL: 'loud' }).exited;
    expect(code).toBe(1);
    expect(output).toMatch(/^probe: the configuration has 2 problems:\n  [A-Z_]+: /);
  });

  it('ends with code 1 and a stack on an uncaught defect', async () => {
    const { code, output } = await probe(`
      setTimeout(() => { throw new Error('a bug'); }, 100);
      return { stop: async () => {} };`).exited;
    expect(code).toBe(1);
    expect(output).toContain('probe: uncaughtException: Error: a bug');
  });
});
