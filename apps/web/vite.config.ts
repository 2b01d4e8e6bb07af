import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run dev -w apps/web` serves the app with hot reload, over a server that runs on port 3000. */
export default defineConfig({
  plugins: [react()],
  resolve: { conditions: ['@parley/source', 'module', 'browser', 'development|production'] },
  build: {
    target: 'es2022',
    // Nothing is inlined as data: the page's policy lets in files of its own only.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:3000', '/socket.io': { target: 'http://127.0.0.1:3000', ws: true } } },
});
