/** Chromium for tests. It is an entry of its own, so that other tests need not load Playwright. */
import { chromium, type Browser, type BrowserServer } from 'playwright-core';
import { installPackages } from '../servers/programs.js';
import { firstExecutable } from './executables.js';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Pages find each other by IP address: mDNS names do not resolve on a machine without a network.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A microphone that beeps, without a permission prompt.
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

const findChromium = (): string | undefined =>
  firstExecutable(process.env['TEST_CHROMIUM'], names, [
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ]);

/**
 * Resolves with the path of a Chromium: the one of the variable `TEST_CHROMIUM`, or an installed one. If there is none,
 * it installs the package, as root on Debian or Ubuntu and after an announcement by `say`. Elsewhere it rejects with a
 * message that says what to install.
 */
export async function ensureChromium(say: (line: string) => void): Promise<string> {
  const present = findChromium();
  if (present !== undefined) return present;
  await installPackages(['chromium', 'fonts-noto-color-emoji'], say);
  const installed = findChromium();
  if (installed === undefined) throw new Error('chromium was installed, but not found');
  return installed;
}

const launchOptions = () => {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('not installed: chromium');
  return { executablePath, args: flags };
};

/** Starts a headless Chromium with a temporary profile. Both end when it is closed, at the latest with this process. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch(launchOptions());
}

/** Like {@link launchBrowser}, for several processes, which connect to its `wsEndpoint()` by {@link connectBrowser}. */
export async function launchBrowserServer(): Promise<BrowserServer> {
  return chromium.launchServer({ ...launchOptions(), host: '127.0.0.1' });
}

/** Connects to a shared browser. Closing the result closes its windows, not the browser. */
export async function connectBrowser(wsEndpoint: string): Promise<Browser> {
  return chromium.connect(wsEndpoint);
}

export type { Browser, BrowserContext, BrowserContextOptions, BrowserServer, Locator, Page } from 'playwright-core';
