import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { eventually } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { serveFiles } from './static-server.js';

const browser = useTestBrowser();
/** The built app. */
const built = join(import.meta.dirname, '../../../apps/web/dist');

it('a new build is used as a whole from the next load on', async () => {
  const names = (await readdir(built, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const first = new Map(
    await Promise.all(names.map(async (name) => [name.slice(built.length), await readFile(name, 'utf8')] as const)),
  );
  const hashOf = (text: string) => createHash('sha256').update(text).digest('base64');
  const script = /index-[\w-]+\.js/.exec(first.get('/index.html')!)![0];
  /** The same app as another build. */
  function anotherBuild(title: string): Map<string, string> {
    const page = first
      .get('/index.html')!
      .replace('<title>Parley', `<title>${title}`)
      .replace(script, `index-${title}.js`);
    const worker = first
      .get('/sw.js')!
      .replace(/"id":"\w+"/, `"id":"${title}"`)
      .replace(script, `index-${title}.js`)
      .replace(hashOf(first.get('/index.html')!), hashOf(page));
    const files = new Map(first)
      .set('/index.html', page)
      .set('/sw.js', worker)
      .set(`/assets/index-${title}.js`, first.get(`/assets/${script}`)!);
    files.delete(`/assets/${script}`);
    return files;
  }
  let serving: ReadonlyMap<string, string> | undefined = first;
  const frontend = await serveFiles(
    (path) => serving?.get(path),
    () => serving !== undefined,
  );
  const context = await browser().browser.newContext();
  try {
    const page = await context.newPage();
    const cacheNames = () => page.evaluate(() => caches.keys());
    const update = () => page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
    const titleAfterReload = async () => {
      await page.reload();
      await page.getByLabel('Username').waitFor();
      return page.title();
    };
    await page.goto(frontend.url);
    await page.evaluate(() => navigator.serviceWorker.ready);

    serving = anotherBuild('Second');
    await update();
    await eventually(async () => (await cacheNames()).includes('parley-Second'));
    // The open page belongs to the first build.
    expect(await page.evaluate(async (name) => (await fetch(name)).status, `/assets/${script}`)).toBe(200);
    expect(await titleAfterReload()).toBe('Second');
    serving = undefined;
    expect(await titleAfterReload()).toBe('Second');

    const third = anotherBuild('Third');
    serving = new Map(anotherBuild('Second')).set('/sw.js', third.get('/sw.js')!);
    await update().catch(() => undefined);
    serving = undefined;
    expect(await titleAfterReload()).toBe('Second');
    expect(await cacheNames()).not.toContain('parley-Third');

    serving = third;
    expect(await titleAfterReload()).toBe('Third');
    await eventually(async () => expect(await cacheNames()).toEqual(['parley-Second', 'parley-Third']));
  } finally {
    await context.close();
    frontend.close();
  }
});

/** The page, its styles, and the scripts that it needs before it can be shown. */
async function firstLoad(): Promise<Set<string>> {
  const files = new Set(['index.html']);
  for (const name of files) {
    const text = await readFile(join(built, name), 'utf8');
    const names = name.endsWith('.html')
      ? [...text.matchAll(/(?:src|href)="\/?(assets\/[^"]+|favicon\.svg)"/g)].map((match) => match[1]!)
      : [...text.matchAll(/(?:\bfrom|\bimport) ?"\.\/([\w.-]+)"/g)].map((match) => `assets/${match[1]!}`);
    for (const other of names) files.add(other);
  }
  return files;
}

it('the first load is at most 250 kB, compressed, and other languages are no part of it', async () => {
  const files = [...(await firstLoad())];
  const sizes = await Promise.all(files.map(async (name) => gzipSync(await readFile(join(built, name))).length));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(250_000);
  expect(files.length).toBeGreaterThan(3);
  const texts = await Promise.all(files.map((name) => readFile(join(built, name), 'utf8')));
  const lazy = (await readdir(join(built, 'assets'))).filter((name) => /^(?:de|fr|es|ja|ar)-/.test(name));
  expect(lazy.length).toBeGreaterThanOrEqual(5);
  expect(files.filter((name) => lazy.includes(name.replace('assets/', '')))).toEqual([]);
  expect(texts.filter((text) => /Rückgängig|元に戻す/.test(text))).toEqual([]);
});
