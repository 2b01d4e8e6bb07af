/** A text with a cursor, which is always between two graphemes. */
export interface EditedText {
  readonly text: string;
  readonly cursor: number;
}

export const empty: EditedText = Object.freeze({ text: '', cursor: 0 });
export const written = (text: string): EditedText => ({ text, cursor: text.length });

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
export const graphemesOf = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment);

const before = ({ text, cursor }: EditedText): string => text.slice(0, cursor);
const after = ({ text, cursor }: EditedText): string => text.slice(cursor);
const previous = (edited: EditedText): number => edited.cursor - (graphemesOf(before(edited)).at(-1)?.length ?? 0);
const next = (edited: EditedText): number => edited.cursor + (graphemesOf(after(edited))[0]?.length ?? 0);
const cut = ({ text }: EditedText, from: number, to: number): EditedText => ({
  text: text.slice(0, from) + text.slice(to),
  cursor: from,
});

export const insert = (edited: EditedText, text: string): EditedText => ({
  text: before(edited) + text + after(edited),
  cursor: edited.cursor + text.length,
});
export const left = (edited: EditedText): EditedText => ({ ...edited, cursor: previous(edited) });
export const right = (edited: EditedText): EditedText => ({ ...edited, cursor: next(edited) });
export const home = (edited: EditedText): EditedText => ({ ...edited, cursor: before(edited).lastIndexOf('\n') + 1 });
export const end = (edited: EditedText): EditedText => ({
  ...edited,
  cursor: edited.cursor + (/\n|$/.exec(after(edited))?.index ?? 0),
});
export const eraseBefore = (edited: EditedText): EditedText => cut(edited, previous(edited), edited.cursor);
export const eraseAfter = (edited: EditedText): EditedText => cut(edited, edited.cursor, next(edited));
export const eraseToHome = (edited: EditedText): EditedText => cut(edited, home(edited).cursor, edited.cursor);
export const eraseToEnd = (edited: EditedText): EditedText => cut(edited, edited.cursor, end(edited).cursor);
export const eraseWord = (edited: EditedText): EditedText => cut(edited, wordBefore(before(edited)), edited.cursor);

/** The offset at which the last word begins. */
function wordBefore(text: string): number {
  let at = text.trimEnd().length;
  while (at > 0 && text[at - 1]!.trim() !== '') at--;
  return at;
}
