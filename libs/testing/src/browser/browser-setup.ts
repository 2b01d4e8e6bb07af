import { ensureChromium } from './browser.js';

/** Vitest's globalSetup for projects whose specs need a browser. */
export default async function setup(): Promise<void> {
  await ensureChromium((line) => void process.stderr.write(`${line}\n`));
}
