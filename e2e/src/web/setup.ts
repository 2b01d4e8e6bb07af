import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ensureChromium, launchBrowserServer } from '@parley/testing/browser';
import type { TestProject } from 'vitest/node';
import { EmbeddedServer } from './embedded-server.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `GET` answers a {@link SharedBrowser} as JSON. */
    sharedBrowser: string;
  }
}

/** One Chromium and one embedded server for all specs of the web app. */
export interface SharedBrowser {
  /** Connect to it by `connectBrowser`. */
  readonly browserEndpoint: string;
  readonly serverUrl: string;
}

/**
 * Vitest's globalSetup for the specs of the web app. Installs Chromium if it is missing. Browser and server start when a
 * spec first asks for them, and end with the project.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await ensureChromium((line) => void process.stderr.write(`${line}\n`));
  let started: Promise<readonly [Awaited<ReturnType<typeof launchBrowserServer>>, EmbeddedServer]> | undefined;
  const registry = createServer((_, response) => {
    started ??= Promise.all([launchBrowserServer(), EmbeddedServer.start()]);
    started.then(
      ([browser, server]) => {
        const shared: SharedBrowser = { browserEndpoint: browser.wsEndpoint(), serverUrl: server.url };
        response.end(JSON.stringify(shared));
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  project.provide('sharedBrowser', `http://127.0.0.1:${(registry.address() as AddressInfo).port}`);
  return async () => {
    registry.close();
    const [browser, server] = (await started?.catch(() => undefined)) ?? [];
    await Promise.all([browser?.close(), server?.stop()]);
  };
}
