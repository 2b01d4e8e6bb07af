import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from '@parley/testing/browser';
import type { AxeResults } from 'axe-core';

declare global {
  /** Set in the page by the script of axe-core. */
  var axe: { run(options: object): Promise<AxeResults> };
}

const axeScript = readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8');

/** The serious violations that axe finds on a page, as sentences. */
export async function violationsOn(page: Page, name: string): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(await axeScript);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run({ resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`).join(' | ')}`,
      );
  });
  return found.map((violation) => `${name}, ${page.viewportSize()!.width} pixels wide: ${violation}`);
}
