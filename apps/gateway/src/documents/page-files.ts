import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pageStyle } from './page-style.js';

/** A file that /api/docs loads. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer | string;
}

/** The page's script is compiled by itself, for browsers. The path holds from `src/documents` and `dist/documents`. */
const script = new URL('../../dist/docs-page/docs.js', import.meta.url);
const socketIo = join(
  dirname(createRequire(import.meta.url).resolve('socket.io/package.json')),
  'client-dist/socket.io.esm.min.js',
);

/** The files by their names under /api/docs. Read once, so that no path of a request reaches the disk. */
export async function loadPageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const javaScript = async (path: string | URL): Promise<PageFile> => ({
    type: 'text/javascript',
    // The maps of scripts are not served.
    body: (await readFile(path, 'utf8')).replace(/^\/\/# sourceMappingURL=.*$/m, ''),
  });
  return new Map([
    ['style.css', { type: 'text/css', body: pageStyle }],
    ['script.js', await javaScript(script)],
    ['socket.io.js', await javaScript(socketIo)],
  ]);
}
