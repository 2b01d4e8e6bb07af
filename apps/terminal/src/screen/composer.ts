import stringWidth from 'string-width';
import { completions } from '../commands/commands.js';
import { printable } from '../text/printable.js';
import { empty, graphemesOf, insert, written, type Edited } from './editor.js';
import type { Row, Span } from './rows.js';

const MOST_REMEMBERED = 100;

/** The line that is being written, and those that were sent before. */
export class Composer {
  private edited: Edited = empty;
  private readonly past: string[] = [];
  /** Where in the past this is; at its end: the present, which waits in `present`. */
  private at = 0;
  private present: Edited = empty;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly get = (): Edited => this.edited;

  edit(change: (edited: Edited) => Edited): void {
    this.edited = change(this.edited);
    for (const listener of this.listeners) listener();
  }

  /** What somebody typed or pasted: it comes from other people's texts too. */
  type(text: string): void {
    this.edit((edited) => insert(edited, printable(text)));
  }

  /** What was written; the line is empty then. */
  take(): string {
    const { text } = this.edited;
    if (text.trim() !== '' && this.past.at(-1) !== text) this.past.push(text);
    if (this.past.length > MOST_REMEMBERED) this.past.shift();
    this.at = this.past.length;
    this.present = empty;
    this.edit(() => empty);
    return text;
  }

  /** What was sent before this, or after. */
  recall(by: 1 | -1): void {
    const to = this.at + by;
    if (to < 0 || to > this.past.length) return;
    if (this.at === this.past.length) this.present = this.edited;
    this.at = to;
    this.edit(() => (to === this.past.length ? this.present : written(this.past[to]!)));
  }

  /** Completes the name of a command, as far as it is clear. Whether there was one to complete. */
  complete(): boolean {
    const { text } = this.edited;
    if (!/^\/\S*$/.test(text)) return false;
    const found = completions(text);
    const [first] = found;
    if (first === undefined) return true;
    let length = text.length;
    while (length < first.length && found.every((one) => one[length] === first[length])) length++;
    this.edit(() => written(first.slice(0, length)));
    return true;
  }
}

/** The lines of what is being written, with the cursor, and which of them has it. */
export function composed(
  { text, cursor }: Edited,
  width: number,
): { readonly rows: readonly Row[]; readonly at: number } {
  const lines: Span[][] = [[]];
  let column = 0;
  let offset = 0;
  let at = 0;
  const put = (shown: string, atCursor: boolean) => {
    const wide = stringWidth(shown);
    if (column + wide > width) {
      lines.push([]);
      column = 0;
    }
    if (atCursor) at = lines.length - 1;
    lines.at(-1)!.push(atCursor ? { text: shown, inverse: true } : { text: shown });
    column += wide;
  };
  for (const one of graphemesOf(text)) {
    if (one !== '\n') put(one, offset === cursor);
    else {
      if (offset === cursor) put(' ', true);
      lines.push([]);
      column = 0;
    }
    offset += one.length;
  }
  if (cursor >= text.length) put(' ', true);
  return { rows: lines.map((spans, n) => ({ key: String(n), spans: joined(spans) })), at };
}

/** Neighbours that look the same are one. */
const joined = (spans: readonly Span[]): Span[] =>
  spans.reduce<Span[]>((all, span) => {
    const last = all.at(-1);
    if (!last || last.inverse !== span.inverse) return [...all, span];
    return [...all.slice(0, -1), { ...last, text: last.text + span.text }];
  }, []);
