import { connectBrowser } from '@parley/testing/browser';
import { afterAll, afterEach, beforeAll, inject } from 'vitest';
import type { SharedBrowser } from './setup.js';
import { TestBrowser } from './test-browser.js';

/**
 * Registers hooks that open a {@link TestBrowser} for the tests of a file. After each test its windows are closed, and the
 * test fails if a page reported an error. `url`: the server, if it is not the one that all specs share.
 */
export function useTestBrowser(url?: () => string): () => TestBrowser {
  let opened: TestBrowser | undefined;
  beforeAll(async () => {
    const answer = await fetch(inject('sharedBrowser'));
    if (!answer.ok) throw new Error(`no browser: ${await answer.text()}`);
    const { browserEndpoint, serverUrl } = (await answer.json()) as SharedBrowser;
    opened = new TestBrowser(await connectBrowser(browserEndpoint), url?.() ?? serverUrl);
  });
  afterEach(async () => {
    await opened?.closeWindows();
    const errors = opened?.pageErrors.splice(0) ?? [];
    if (errors.length > 0) throw new Error(`a page reported errors: ${errors.join('; ')}`);
  });
  afterAll(async () => {
    await opened?.browser.close();
  });
  return () => {
    if (!opened) throw new Error('the browser is not open yet');
    return opened;
  };
}
