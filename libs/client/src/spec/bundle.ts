import { fileURLToPath } from 'node:url';
import { build, type Rolldown } from 'vite';

/** The code that a page loads of an entry in `src`, minified, without the external packages. */
export async function bundle(entry: string, external: readonly (string | RegExp)[]): Promise<string> {
  const output = (await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@parley/source', 'browser'] },
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      lib: { entry: fileURLToPath(new URL(`../${entry}`, import.meta.url)), formats: ['es'], fileName: 'client' },
      rolldownOptions: { external: [...external] },
    },
  })) as Rolldown.RolldownOutput[];
  return output[0]!.output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
}
