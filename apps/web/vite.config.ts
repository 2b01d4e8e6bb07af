import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { scope } from '../../libs/react-ui/scope.mjs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Inserts the list of the build's files into the service worker, `worker/sw.ts`. */
const workerManifest: Plugin = {
  name: 'parley-worker',
  apply: 'build',
  enforce: 'post',
  generateBundle: {
    order: 'post',
    handler(_, bundle) {
      const hash = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('base64');
      const page = bundle['index.html'];
      const sw = bundle['sw.js'];
      if (page?.type !== 'asset' || sw?.type !== 'chunk') throw new Error('the build has no page or no service worker');
      const hashed = {
        '': hash(page.source),
        'favicon.svg': hash(readFileSync(new URL('public/favicon.svg', import.meta.url))),
      };
      const assets = Object.keys(bundle)
        .filter((name) => name.startsWith('assets/'))
        .toSorted();
      const parts = { hashed, assets };
      sw.code = `const BUILD=${JSON.stringify({ id: createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16), ...parts })};\n${sw.code}`;
    },
  },
};

/** `npm run dev -w apps/web` serves the app with hot reload, in front of a server on port 3000. */
export default defineConfig({
  plugins: [react(), workerManifest],
  // The gateway may serve everything under a path: scripts name each other relatively, and it changes the page.
  experimental: { renderBuiltUrl: (name, { hostType }) => (hostType === 'html' ? `/${name}` : { relative: true }) },
  resolve: { conditions: ['@parley/source', 'module', 'browser', 'development|production'] },
  css: { postcss: { plugins: [scope] } },
  build: {
    target: 'es2022',
    // Nothing is inlined as data, because the page's policy allows files of its own only.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // The page about Parley shows it.
    license: { fileName: 'licences.json' },
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: fileURLToPath(new URL('index.html', import.meta.url)),
        sw: fileURLToPath(new URL('worker/sw.ts', import.meta.url)),
      },
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:3000', '/socket.io': { target: 'http://127.0.0.1:3000', ws: true } } },
});
