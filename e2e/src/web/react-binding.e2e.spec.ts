import { join } from 'node:path';
import { useClient } from '@parley/client/react';
import { eventually, uniqueName } from '@parley/testing';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { build, type Rolldown } from 'vite';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import type {} from './react-binding-page.js';
import { serveFiles } from './static-server.js';
import { password, sendBy } from './test-browser.js';

const browser = useTestBrowser();

it('the React binding renders only what changed', async () => {
  const output = (await build({
    configFile: false,
    logLevel: 'silent',
    define: { 'process.env.NODE_ENV': '"development"' },
    resolve: { conditions: ['@parley/source', 'browser'] },
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, 'react-binding-page.ts'), formats: ['es'], fileName: 'page' },
    },
  })) as Rolldown.RolldownOutput[];
  const script = output[0]!.output[0].code;
  const [ann, ben] = await Promise.all([browser().client(uniqueName('Ann')), browser().client(uniqueName('Ben'))]);
  const {
    conversation: { id },
  } = await ben.call('conversation.create', { kind: 'direct', memberIds: [ann.user.id] });
  await ben.call('conversation.create', { kind: 'group', title: 'Garden', memberIds: [ann.user.id] });
  await sendBy(ben, id, 'Hello');

  const frontend = await serveFiles((path) =>
    path === '/page.js'
      ? script
      : path === '/page.html'
        ? '<!doctype html><body><script type="module" src="/page.js"></script>'
        : undefined,
  );
  const { page } = await browser().open();
  await page.goto(
    `${frontend.url}/page.html#${new URLSearchParams({ url: browser().url, username: ann.user.username, password })}`,
  );
  await page.getByRole('button', { name: 'Garden (0)' }).waitFor();
  await page.getByRole('button', { name: 'direct (1)' }).click();
  await page.getByText('Hello, sent').click();
  await page.getByRole('button', { name: 'direct (0)' }).waitFor();
  await page.getByText(`${ben.user.displayName} is online`).waitFor();

  const partnerRenders = () => page.evaluate(() => bindingPage.renderCounts['Partner']);
  const before = await partnerRenders();
  await sendBy(ben, id, 'Again');
  await page.getByText('Again, sent').waitFor();
  expect(await partnerRenders()).toBe(before);
  const isWatched = () => page.evaluate((userId) => bindingPage.client.getState().presence.has(userId), ben.user.id);
  expect(await isWatched()).toBe(true);
  await page.getByRole('button', { name: 'Close' }).click();
  await eventually(async () => !(await isWatched()));
  await page.getByText('Again, sent').waitFor({ state: 'detached' });
  frontend.close();
});

it('a component without a provider fails with a message that names it', () => {
  expect(() => renderToStaticMarkup(createElement(() => useClient().url))).toThrow('there is no ParleyProvider around');
});
