import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** An npm registry on this machine. */
export interface InstalledRegistry {
  readonly url: string;
  close(): void;
}

/**
 * An npm registry whose only packages are those that the repository has installed, in their installed versions, so that
 * `npm install` works without a network. Packages of the repository itself are not found.
 */
export async function serveInstalledPackages(): Promise<InstalledRegistry> {
  const server = createServer(({ url = '' }, response) => {
    const [, name = '', archive] =
      /^\/((?:@[\w.-]+\/)?[\w.-]+)(\/-\/package\.tgz)?$/.exec(decodeURIComponent(url)) ?? [];
    const isOwn = name === '' || name.startsWith('@parley/');
    const folder = join(modules, name);
    const answer = async () => {
      if (isOwn) throw new Error('not a package of somebody else');
      const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
      if (archive !== undefined) {
        const options = ['--exclude=./node_modules', '--transform=s,^\\.,package,'];
        return execFileSync('tar', ['-czf', '-', ...options, '-C', folder, '.'], { maxBuffer: 64 * 1024 * 1024 });
      }
      const tarball = `${registryUrl}${name}/-/package.tgz`;
      const { version } = manifest;
      return JSON.stringify({
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...manifest, dist: { tarball } } },
      });
    };
    answer().then(
      (body) => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registryUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url: registryUrl, close: () => void server.close() };
}
