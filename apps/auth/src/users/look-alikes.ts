/**
 * Names that look alike, after Unicode Technical Standard 39: two names with the same skeleton are easily taken for
 * each other. The table has the Latin, Greek, Cyrillic and Armenian letters that `confusables.txt` (Unicode 13) maps to
 * letters and digits of ASCII; compatibility characters (fullwidth, mathematical …) are taken apart before.
 */
const LETTERS: Readonly<Record<string, string>> = {
  2: 'ƧꙄꝚ',
  3: 'ƷȜЗӠꝪꞫ𝈆',
  5: 'Ƽ',
  6: 'б',
  7: '𝈒',
  8: 'Ȣȣ',
  9: 'Ꝯ',
  I: 'ƖΙІӀ',
  a: 'ɑΑαАа',
  aa: 'Ꜳꜳ',
  ae: 'ÆæӔӕ',
  ao: 'Ꜵꜵ',
  au: 'Ꜷꜷ',
  av: 'ꜸꜹꜺꜻ',
  ay: 'Ꜽꜽ',
  b: 'ƄΒВЬꞴ',
  bl: 'Ы',
  c: 'Ссᴄ',
  d: 'ԁ',
  dz: 'ʣ',
  e: 'ΕЕеҽꬲ',
  f: 'ϜքẝꞘꞙꬵ𝈓',
  g: 'ƍɡԌցᶃ',
  h: 'ΗНһհ',
  i: 'ıɩɪιіӏꙇ',
  j: 'ͿϳЈјꞲ',
  k: 'ΚК',
  l: 'ǀ𝈪',
  ll: 'ǁ',
  lo: 'Ю',
  ls: 'ʪ',
  lz: 'ʫ',
  m: 'ΜϺМ',
  n: 'Νոռ',
  o: 'ΟοσОоՕօᴏᴑꬽ',
  oe: 'Œœ',
  oo: 'ꚘꚙꝎꝏ',
  p: 'ΡρРр',
  q: 'ԛգզ',
  r: 'Ʀгᴦꭇꭈ𝈖',
  s: 'ƽЅѕՏꜱ',
  t: 'ΤТ',
  t3: 'Ꜩ',
  tf: 'ꝷ',
  ts: 'ʦ',
  u: 'ʋυՍսᴜꞟꭎꭒ',
  ue: 'ᵫ',
  uo: 'ꭣ',
  v: 'νѴѵᴠ𝈍',
  w: 'ɯѡԜԝաᴡ',
  x: 'ΧХхꞳ',
  y: 'ɣʏΥγУуҮүᶌỿꭚ',
  z: 'Ζᴢ',
};
const latin = new Map(Object.entries(LETTERS).flatMap(([to, from]) => Array.from(from, (letter) => [letter, to])));
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;

const inLatin = (text: string): string =>
  Array.from(
    text.normalize('NFKC').normalize('NFD').replace(INVISIBLE, ''),
    (letter) => latin.get(letter) ?? letter,
  ).join('');
// The letters of usernames that are confused within ASCII. Migration 0005 does the same in SQL.
const ofLowerCase = (text: string): string =>
  text.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('|', 'l').replaceAll('m', 'rn');

/** What a username looks like. Equal for usernames that are confusable. */
export const skeletonOf = (username: string): string => ofLowerCase(inLatin(username));

/** What a displayed name may look like: a capital `I` is read as `i` or as `l`. */
export function skeletonsOfName(name: string): string[] {
  const text = inLatin(name).trim().replace(/^@/, '');
  return [...new Set([ofLowerCase(text), ofLowerCase(text.replaceAll('I', 'l'))])];
}

/** Names of officials, and words that clients use in mentions of many. Nobody may be called so. */
const RESERVED = [
  'admin',
  'administrator',
  'system',
  'support',
  'everyone',
  'here',
  'channel',
  'all',
  'root',
  'moderator',
  'parley',
];
const DIGITS: Readonly<Record<string, string>> = {
  0: 'o',
  3: 'e',
  4: 'a',
  5: 's',
  7: 't',
  8: 'b',
  9: 'g',
  $: 's',
  '@': 'a',
};
const BETWEEN = /[\s._-]/g;

/** The letters that digits stand for: `supp0rt`. A `1` is an `i` or an `l`. */
const spellings = (text: string): string[] => {
  const letters = text.replace(/[034578$@9]/g, (sign) => DIGITS[sign]!);
  return ['i', 'l'].map((letter) => letters.replace(/[1|!]/g, letter));
};
/** Long words are recognised even if `i` and `l` are exchanged. Of short ones that would make other names: `ali`, `all`. */
const withoutI = (skeleton: string): string => (skeleton.length >= 5 ? skeleton.replaceAll('i', 'l') : skeleton);
const reserved = new Set(RESERVED.map((word) => withoutI(skeletonOf(word))));

/**
 * True for a reserved word, also spelt with digits, look-alikes or signs between its letters: `adm1n`, `Аdmin`,
 * `s.y.s.t.e.m`.
 */
export const isReserved = (name: string): boolean =>
  spellings(inLatin(name).toLowerCase().replace(/^@/, '').replace(BETWEEN, '')).some((spelling) =>
    reserved.has(withoutI(skeletonOf(spelling))),
  );
