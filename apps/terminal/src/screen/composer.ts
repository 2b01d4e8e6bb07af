import stringWidth from 'string-width';
import { completions } from '../commands/commands.js';
import { printable } from '../text/printable.js';
import { empty, graphemesOf, insert, written, type EditedText } from './editor.js';
import type { Row, Span } from './rows.js';

const MAX_HISTORY = 100;

/** The text that is being written, and a history of sent texts. */
export class Composer {
  private edited: EditedText = empty;
  private readonly history: string[] = [];
  /** The position in the history. At its end, the unsent text is shown, which otherwise waits in `unsent`. */
  private position = 0;
  private unsent: EditedText = empty;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly get = (): EditedText => this.edited;

  edit(change: (edited: EditedText) => EditedText): void {
    this.edited = change(this.edited);
    for (const listener of this.listeners) listener();
  }

  /** Inserts typed or pasted text, which may come from other people's messages. */
  type(text: string): void {
    this.edit((edited) => insert(edited, printable(text)));
  }

  /** Takes the text out of the composer. */
  take(): string {
    const { text } = this.edited;
    if (text.trim() !== '' && this.history.at(-1) !== text) this.history.push(text);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    this.position = this.history.length;
    this.unsent = empty;
    this.edit(() => empty);
    return text;
  }

  /** Shows the previous or the next text of the history. */
  recall(by: 1 | -1): void {
    const to = this.position + by;
    if (to < 0 || to > this.history.length) return;
    if (this.position === this.history.length) this.unsent = this.edited;
    this.position = to;
    this.edit(() => (to === this.history.length ? this.unsent : written(this.history[to]!)));
  }

  /**
   * Completes the name of a command as far as it is unambiguous. Returns whether the text was the beginning of a
   * command.
   */
  complete(): boolean {
    const { text } = this.edited;
    if (!/^\/\S*$/.test(text)) return false;
    const candidates = completions(text);
    const [first] = candidates;
    if (first === undefined) return true;
    let length = text.length;
    while (length < first.length && candidates.every((candidate) => candidate[length] === first[length])) length++;
    this.edit(() => written(first.slice(0, length)));
    return true;
  }
}

/** Lays the text out in rows, with the cursor. `cursorRow`: the row of the cursor. */
export function layoutText(
  { text, cursor }: EditedText,
  width: number,
): { readonly rows: readonly Row[]; readonly cursorRow: number } {
  const lines: Span[][] = [[]];
  let column = 0;
  let offset = 0;
  let cursorRow = 0;
  const put = (text: string, atCursor: boolean) => {
    const columns = stringWidth(text);
    if (column + columns > width) {
      lines.push([]);
      column = 0;
    }
    if (atCursor) cursorRow = lines.length - 1;
    lines.at(-1)!.push(atCursor ? { text, inverse: true } : { text });
    column += columns;
  };
  for (const grapheme of graphemesOf(text)) {
    if (grapheme !== '\n') put(grapheme, offset === cursor);
    else {
      if (offset === cursor) put(' ', true);
      lines.push([]);
      column = 0;
    }
    offset += grapheme.length;
  }
  if (cursor >= text.length) put(' ', true);
  return { rows: lines.map((spans, n) => ({ key: String(n), spans: mergeSpans(spans) })), cursorRow };
}

/** Merges neighbouring spans of the same style. */
const mergeSpans = (spans: readonly Span[]): Span[] =>
  spans.reduce<Span[]>((merged, span) => {
    const last = merged.at(-1);
    if (!last || last.inverse !== span.inverse) return [...merged, span];
    return [...merged.slice(0, -1), { ...last, text: last.text + span.text }];
  }, []);
