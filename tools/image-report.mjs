// npm run image:report [-- APP …]: builds the image of each app, and prints its size and the time until a container works. Needs Docker.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure, main, root, run } from './prepare.mjs';

const docker = async (/** @type {string[]} */ ...args) =>
  (await promisify(execFile)('docker', args, { cwd: root, maxBuffer: 1 << 26 })).stdout.trim();
const mib = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** Embedded mode: until ready. A service: until it has loaded its code and reports the missing configuration. @param {string} app */
async function startMs(app) {
  const begun = performance.now();
  const name = `parley-image-report-${process.pid}`;
  try {
    if (app === 'standalone') {
      await docker(
        'run',
        '--detach',
        '--name',
        name,
        '--read-only',
        '--tmpfs',
        '/tmp',
        '--cap-drop',
        'ALL',
        '--tmpfs',
        '/data:uid=1000',
        `parley-${app}:local`,
      );
      for (const deadline = begun + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        if ((await docker('logs', name)).includes('Parley is ready')) break;
        if (performance.now() > deadline) throw new Failure(`parley-${app} is not ready after 60 s`);
      }
    } else {
      await docker(
        'run',
        '--name',
        name,
        '--read-only',
        '--network',
        'none',
        '--cap-drop',
        'ALL',
        `parley-${app}:local`,
      ).catch(() => undefined);
    }
    return performance.now() - begun;
  } finally {
    await docker('rm', '--force', '--volumes', name).catch(() => undefined);
  }
}

await main(async () => {
  const asked = process.argv.slice(2);
  const apps = asked.length > 0 ? asked : ['gateway', 'auth', 'messages', 'history', 'presence', 'admin', 'standalone'];
  console.log('image                    size   of it Parley   start   what started means');
  for (const app of apps) {
    const code = await run(
      'docker',
      ['build', '--quiet', '--build-arg', `APP=${app}`, '--tag', `parley-${app}:local`, '.'],
      { quiet: true },
    );
    if (code !== 0) throw new Failure(`the image of ${app} cannot be built`);
    const [size, base] = (
      await docker('image', 'inspect', '--format', '{{.Size}}', `parley-${app}:local`, 'node:24-bookworm-slim')
    )
      .split('\n')
      .map(Number);
    const ms = await startMs(app);
    const meaning =
      app === 'standalone' ? 'ready' : app === 'admin' ? 'said what it can do' : 'said what its configuration lacks';
    console.log(
      `parley-${app.padEnd(12)} ${mib(size ?? 0).padStart(10)} ${mib((size ?? 0) - (base ?? 0)).padStart(14)} ${`${(ms / 1000).toFixed(1)} s`.padStart(7)}   ${meaning}`,
    );
  }
  return 0;
});
