import { ensureChromium } from './browser.js';

/** vitest's globalSetup of the groups that need a browser. */
export default async function setup(): Promise<void> {
  await ensureChromium((line) => void process.stderr.write(`${line}\n`));
}
