/** Firefox for tests, as it is installed: Playwright drives builds of its own only. */
import puppeteer, { type Browser } from 'puppeteer-core';
import { installPackages } from '../servers/programs.js';
import { firstExecutable } from './executables.js';

const findFirefox = (): string | undefined =>
  firstExecutable(
    process.env['TEST_FIREFOX'],
    ['firefox-esr', 'firefox'],
    ['/Applications/Firefox.app/Contents/MacOS/firefox'],
  );

const LAUNCH_TIMEOUT_MS = 120_000;

/**
 * Starts a headless Firefox with a temporary profile: the one of the variable `TEST_FIREFOX`, or an installed one. If
 * there is none, it installs Debian's package, as root and after an announcement by `say`, or rejects.
 */
export async function launchFirefox(say: (line: string) => void): Promise<Browser> {
  if (findFirefox() === undefined) await installPackages(['firefox-esr'], say);
  const executablePath = findFirefox();
  if (executablePath === undefined) throw new Error('firefox was installed, but not found');
  return puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: LAUNCH_TIMEOUT_MS });
}

export type { Browser, Page } from 'puppeteer-core';
