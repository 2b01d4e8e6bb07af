import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';

const mediaTypes: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.html': 'text/html',
  '.svg': 'image/svg+xml',
};

export interface StaticServer {
  readonly url: string;
  close(): void;
}

/**
 * Serves files by path, as the gateway serves the web app. While `isUp` is false, it answers like a proxy whose server is
 * away. `headers`: more headers for all files.
 */
export async function serveFiles(
  files: (path: string) => string | undefined,
  isUp = () => true,
  headers: Readonly<Record<string, string>> = {},
): Promise<StaticServer> {
  const server = createServer(({ url = '' }, response) => {
    const path = url === '/' ? '/index.html' : url;
    const body = files(path);
    if (body === undefined) return void response.writeHead(isUp() ? 404 : 503).end();
    response
      .writeHead(200, {
        'content-type': mediaTypes[extname(path)] ?? 'application/octet-stream',
        'cache-control': path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache',
        ...headers,
      })
      .end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}
