// Serves page.html and the bundle that it imports: node examples/serve.mjs [port]
// Then open http://localhost:8080/?server=http://localhost:3000
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
const built = await build({
  configFile: false,
  root: here,
  logLevel: 'warn',
  build: {
    write: false,
    lib: { entry: fileURLToPath(import.meta.resolve('@parley/client')), formats: ['es'], fileName: 'parley-client' },
  },
});
const [bundle] = (Array.isArray(built) ? built[0] : built).output;
const page = await readFile(new URL('./page.html', import.meta.url));

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname === '/parley-client.js') response.setHeader('content-type', 'text/javascript').end(bundle.code);
  else if (pathname === '/') response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
  else response.writeHead(404).end();
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () =>
  console.log(`http://localhost:${server.address().port}/`),
);
