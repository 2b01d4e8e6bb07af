import { useInput } from 'ink';
import { useState, type ReactNode } from 'react';
import { inline, printable } from '../text/printable.js';
import { Rows } from './line.js';
import { wrap, type Row } from './rows.js';
import type { Page, ScreenState } from './screen-state.js';

/** The result of a command, shown instead of the messages. */
export function PageView({
  state,
  page: { title, lines },
  width,
  height,
}: {
  readonly state: ScreenState;
  readonly page: Page;
  readonly width: number;
  readonly height: number;
}): ReactNode {
  const [top, setTop] = useState(0);
  const texts = [`${inline(title)}  (Esc closes this)`, '', ...lines.flatMap((line) => wrap(printable(line), width))];
  useInput((_input, key) => {
    if (key.escape) state.clear();
    const by = key.pageUp ? 1 - height : key.pageDown ? height - 1 : 0;
    if (by !== 0) setTop((now) => Math.max(0, Math.min(texts.length - height, now + by)));
  });
  const rows = texts
    .slice(top, top + height)
    .map((text, at): Row => ({ key: String(top + at), spans: [{ text, bold: top + at === 0 }] }));
  return <Rows rows={rows} width={width} height={height} atTop />;
}
