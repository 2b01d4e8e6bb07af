import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { scope } from './scope.mjs';

const languages = ['en', 'de', 'fr', 'es', 'ja', 'ar'];

// Whatever runs this, the modules are those for production.
process.env['NODE_ENV'] = 'production';

/**
 * `vite build` makes the element, one file with everything in it, which the gateway serves. `--mode package` makes the
 * modules of the package, which take React and the client from the product.
 */
export default defineConfig(({ mode }) => ({
  plugins: [react()],
  // Scripts run in pages without a `process`.
  define: { 'process.env.NODE_ENV': '"production"' },
  resolve: { conditions: ['@parley/source', 'module', 'browser', 'production'] },
  css: { postcss: { plugins: [scope] } },
  build:
    mode === 'package'
      ? {
          target: 'es2022',
          outDir: 'dist/package',
          minify: false,
          cssCodeSplit: true,
          reportCompressedSize: false,
          lib: {
            entry: {
              index: 'src/index.ts',
              parts: 'src/parts.ts',
              styles: 'src/styles.css',
              ...Object.fromEntries(languages.map((tag) => [`strings/${tag}`, `src/strings/${tag}.ts`])),
            },
            formats: ['es'],
            cssFileName: 'styles',
          },
          rolldownOptions: {
            external: [/^react(?:-dom)?(?:$|\/)/, /^@parley\/client(?:\/react)?$/, 'lucide-react', 'lowlight'],
            output: { assetFileNames: '[name][extname]' },
          },
        }
      : {
          target: 'es2022',
          outDir: 'dist/embed',
          chunkSizeWarningLimit: 1_000,
          reportCompressedSize: false,
          lib: { entry: 'src/element/parley-chat.tsx', formats: ['es'], fileName: 'parley-chat' },
          rolldownOptions: { output: { codeSplitting: false, minify: true } },
        },
}));
