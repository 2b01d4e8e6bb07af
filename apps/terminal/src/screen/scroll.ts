import type { Row } from './rows.js';

/** The row that is the lowest one shown; undefined: the newest, whatever comes. */
export type Anchor = string | undefined;

export interface Visible {
  readonly rows: readonly Row[];
  /** Rows above and below. */
  readonly above: number;
  readonly below: number;
}

/** Where the anchor is in the rows, and what there is around it. One that is gone means the newest. */
export function visibleOf(rows: readonly Row[], anchor: Anchor, height: number): Visible {
  const at = anchor === undefined ? -1 : rows.findLastIndex(({ key }) => key === anchor);
  const end = Math.max(Math.min(height, rows.length), at < 0 ? rows.length : at + 1);
  const start = Math.max(0, end - height);
  return { rows: rows.slice(start, end), above: start, below: rows.length - end };
}

/** The anchor some rows further up (negative) or down. `following`: nothing comes after these rows. */
export function scrolled(rows: readonly Row[], anchor: Anchor, height: number, by: number, following: boolean): Anchor {
  const end = rows.length - visibleOf(rows, anchor, height).below;
  const next = Math.min(rows.length, Math.max(Math.min(height, rows.length), end + by));
  return next >= rows.length && following ? undefined : rows[next - 1]?.key;
}
