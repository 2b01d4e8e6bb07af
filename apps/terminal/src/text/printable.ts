import { stripVTControlCharacters } from 'node:util';

/* eslint-disable no-control-regex -- control characters are what this file is about */
/** C0 except newline, DEL, and C1: control characters that terminals obey. */
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;
/**
 * Bidirectional controls, invisible characters and tags, which make a text look like another one. Joiners stay, because
 * emoji need them.
 */
const invisible =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;
const breaks = /\r\n?|[\u0085\u000b\u000c\u2028\u2029]/g;
/** Limits stacked combining marks, which would cover other lines. */
const accentPiles = /(\p{Mn}{4})\p{Mn}+/gu;
/* eslint-enable no-control-regex */

/**
 * Makes a text of somebody else safe for the terminal: removes escape sequences and control characters except newlines.
 */
export const printable = (text: string): string =>
  stripVTControlCharacters(text.toWellFormed())
    .replace(breaks, '\n')
    .replaceAll('\t', '    ')
    .replace(controls, '')
    .replace(invisible, '')
    .replace(accentPiles, '$1');

/** Like {@link printable}, in one line, for names and everything else that must not look like more than it is. */
export const inline = (text: string): string =>
  printable(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ⏎ ');

/** JSON in one line without characters that a terminal would obey or hide. Parsed, it is the value. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
