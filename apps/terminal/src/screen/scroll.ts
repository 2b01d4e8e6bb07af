import type { Row } from './rows.js';

/** The key of the lowest shown row. Undefined: the newest row, as rows are added. */
export type Anchor = string | undefined;

export interface Visible {
  readonly rows: readonly Row[];
  /** The number of rows above and below. */
  readonly above: number;
  readonly below: number;
}

/** The rows that fit above the anchor. An anchor that is gone means the newest row. */
export function visibleOf(rows: readonly Row[], anchor: Anchor, height: number): Visible {
  const at = anchor === undefined ? -1 : rows.findLastIndex(({ key }) => key === anchor);
  const end = Math.max(Math.min(height, rows.length), at < 0 ? rows.length : at + 1);
  const start = Math.max(0, end - height);
  return { rows: rows.slice(start, end), above: start, below: rows.length - end };
}

/** The anchor after scrolling by some rows, up if negative. `following`: no rows follow these. */
export function scrolled(rows: readonly Row[], anchor: Anchor, height: number, by: number, following: boolean): Anchor {
  const end = rows.length - visibleOf(rows, anchor, height).below;
  const next = Math.min(rows.length, Math.max(Math.min(height, rows.length), end + by));
  return next >= rows.length && following ? undefined : rows[next - 1]?.key;
}
