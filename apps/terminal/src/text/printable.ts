import { stripVTControlCharacters } from 'node:util';

/* eslint-disable no-control-regex -- control characters are what this file is about */
/** C0 but newline, DEL, and C1: terminals obey these. */
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;
/** Orders of reading, invisible marks and tags: they make a text look like another one. Joiners stay, for emoji are made with them. */
const invisible =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;
const breaks = /\r\n?|[\u0085\u000b\u000c\u2028\u2029]/g;
/** A pile of accents grows over the lines above. */
const piles = /(\p{Mn}{4})\p{Mn}+/gu;
/* eslint-enable no-control-regex */

/** A text that somebody else wrote, as it may go to the terminal: without escape sequences and control characters other than newlines. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text.toWellFormed())
    .replace(breaks, '\n')
    .replaceAll('\t', '    ')
    .replace(controls, '')
    .replace(invisible, '')
    .replace(piles, '$1');

/** The same in one line: names, and whatever else must not look like more than it is. */
export const inline = (text: string): string =>
  printable(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ⏎ ');

/** JSON in one line that a terminal shows as it is; parsed, it is the value. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
