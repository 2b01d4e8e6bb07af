/** Chromium for tests: apart from the rest, so that nobody else loads what drives it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { installPackages } from '../servers/programs.js';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Pages reach each other by their addresses: names of mDNS lead nowhere on a machine without a network.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A microphone that beeps, and nobody asked whether the page may have it.
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

function findChromium(): string | undefined {
  const paths = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)));
  return [
    process.env['TEST_CHROMIUM'],
    ...paths,
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ].find((path) => {
    try {
      if (path !== undefined) accessSync(path, constants.X_OK);
      return path !== undefined;
    } catch {
      return false;
    }
  });
}

/**
 * Makes sure that there is a Chromium: the one that `TEST_CHROMIUM` names, or one that is installed. As root on Debian or Ubuntu it installs the package, having said so.
 * Otherwise rejects with a message that says what to install. Resolves with its path.
 */
export async function ensureChromium(say: (line: string) => void): Promise<string> {
  const there = findChromium();
  if (there !== undefined) return there;
  await installPackages(['chromium', 'fonts-noto-color-emoji'], say);
  const installed = findChromium();
  if (installed === undefined) throw new Error('chromium was installed, but not found');
  return installed;
}

/** A headless Chromium with a profile of its own, which is deleted when it is closed; like its processes, at the latest with this one. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('not installed: chromium');
  return chromium.launch({ executablePath, args: flags });
}

export type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
