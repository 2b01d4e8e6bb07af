/** How texts are compared in searches: messages, names and titles alike. */

// eslint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;
/** Accents. Keeps marks of scripts that write vowels with them, and voicing marks of kana, which form other letters. */
const ACCENTS = /(?=\p{Mn})(?![\u3099\u309a])[\p{Script=Inherited}\p{Script=Hebrew}\p{Script=Arabic}]/gu;
/** The dot below a letter of Devanagari, which many leave out. Other scripts tell letters apart by it. */
const NUKTA = /\u093c/g;
/** Soft hyphens, joiners, direction marks, variation selectors; and the stroke that lengthens Arabic words. */
const IGNORED = /[\p{Default_Ignorable_Code_Point}\p{Cf}\u0640]/gu;
const WHITE_SPACE = /\s+/g;
/** Letters and signs that people take for one another and that Unicode does not decompose. In lower case. */
const SAME: Readonly<Record<string, string>> = {
  ł: 'l',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ħ: 'h',
  ŧ: 't',
  þ: 'th',
  æ: 'ae',
  œ: 'oe',
  ı: 'i',
  ی: 'ي',
  ى: 'ي',
  ک: 'ك',
  '‘': "'",
  '’': "'",
  '‛': "'",
  ʼ: "'",
  '′': "'",
  '“': '"',
  '”': '"',
  '„': '"',
  '‐': '-',
  '‒': '-',
  '–': '-',
  '—': '-',
  '−': '-',
};
const SAME_SIGN = new RegExp(`[${Object.keys(SAME).join('')}]`, 'gu');
/** The digits of Arabic and Persian. */
const DIGITS = /[\u0660-\u0669\u06f0-\u06f9]/g;

// Lower case first: it turns ẞ into ß. Then upper case: it unites letters that differ only in lower case (σ and ς) or
// exist only there (ß).
const foldCase = (letter: string): string => letter.toLowerCase().toUpperCase().toLowerCase();

/**
 * A part of a text without case, accents, width, invisible characters and typographic variants. Folds letter by letter,
 * so that a part of a text that begins and ends between graphemes folds to a part of the folded text.
 */
export function foldPart(part: string): string {
  if (ASCII.test(part)) return part.toLowerCase();
  return Array.from(part.normalize('NFKD'), foldCase)
    .join('')
    .normalize('NFKD')
    .replace(IGNORED, '')
    .replace(ACCENTS, '')
    .replace(NUKTA, '')
    .replace(SAME_SIGN, (sign) => SAME[sign]!)
    .replace(DIGITS, (digit) => String(digit.charCodeAt(0) & 0xf))
    .normalize('NFC');
}

/**
 * Folds a name or title for searches, whatever the database's locale is: as messages are folded, and with single spaces.
 */
export const foldName = (name: string): string => foldPart(name).replace(WHITE_SPACE, ' ');

/** A pattern for SQL's `like` that matches names containing `part` literally. */
export const partPattern = (part: string): string => `%${part.replace(/[\\%_]/g, '\\$&')}%`;
