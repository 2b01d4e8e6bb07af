/** What is being written: a text and where the cursor is, always between two characters as people see them. */
export interface Edited {
  readonly text: string;
  readonly cursor: number;
}

export const empty: Edited = Object.freeze({ text: '', cursor: 0 });
export const written = (text: string): Edited => ({ text, cursor: text.length });

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
export const graphemesOf = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment);

const before = ({ text, cursor }: Edited): string => text.slice(0, cursor);
const after = ({ text, cursor }: Edited): string => text.slice(cursor);
const previous = (edited: Edited): number => edited.cursor - (graphemesOf(before(edited)).at(-1)?.length ?? 0);
const next = (edited: Edited): number => edited.cursor + (graphemesOf(after(edited))[0]?.length ?? 0);
const cut = ({ text }: Edited, from: number, to: number): Edited => ({
  text: text.slice(0, from) + text.slice(to),
  cursor: from,
});

export const insert = (edited: Edited, text: string): Edited => ({
  text: before(edited) + text + after(edited),
  cursor: edited.cursor + text.length,
});
export const left = (edited: Edited): Edited => ({ ...edited, cursor: previous(edited) });
export const right = (edited: Edited): Edited => ({ ...edited, cursor: next(edited) });
export const home = (edited: Edited): Edited => ({ ...edited, cursor: before(edited).lastIndexOf('\n') + 1 });
export const end = (edited: Edited): Edited => ({
  ...edited,
  cursor: edited.cursor + (/\n|$/.exec(after(edited))?.index ?? 0),
});
export const eraseBefore = (edited: Edited): Edited => cut(edited, previous(edited), edited.cursor);
export const eraseAfter = (edited: Edited): Edited => cut(edited, edited.cursor, next(edited));
export const eraseToHome = (edited: Edited): Edited => cut(edited, home(edited).cursor, edited.cursor);
export const eraseToEnd = (edited: Edited): Edited => cut(edited, edited.cursor, end(edited).cursor);
export const eraseWord = (edited: Edited): Edited => cut(edited, wordBefore(before(edited)), edited.cursor);

/** Where the last word begins, with what follows it. */
function wordBefore(text: string): number {
  let at = text.trimEnd().length;
  while (at > 0 && text[at - 1]!.trim() !== '') at--;
  return at;
}
