// npm start: installs what is missing, builds, and serves embedded mode until Ctrl-C.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { environment, followNpm, main, prepare, root } from './prepare.mjs';

const follow = `data:text/javascript,${encodeURIComponent(`
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel?.unref();
`)}`;

await main(async () => {
  const node = await prepare({ web: true });
  // In its own process group, so that Ctrl-C reaches the server once, through this process. The channel tells the
  // server when this process is killed.
  const args = ['--import', follow, join(root, 'apps', 'standalone', 'dist', 'main.js'), ...process.argv.slice(2)];
  const server = spawn(node, args, {
    env: environment(node),
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => void server.kill(signal));
  process.on('SIGHUP', () => void server.kill('SIGTERM'));
  followNpm(() => void server.kill('SIGTERM'));

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('close', (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
});
