/** The one list of characters that show nothing by themselves, but may hide in names and texts. */

/**
 * Default ignorable and format characters (joiners, direction marks, fillers, tags, variation selectors), blank letters
 * and signs, private use, unassigned characters and noncharacters. The content of a character class, for patterns with
 * the flag `u`. White space, control characters and combining marks are not among them.
 */
export const INVISIBLE = String.raw`\p{Default_Ignorable_Code_Point}\p{Cf}\p{Co}\p{Cn}\u2800\ufffc\u{13441}\u{13442}\u{1d159}`;

const invisible = new RegExp(`[${INVISIBLE}]`, 'u');
const anyInvisible = new RegExp(`[${INVISIBLE}]`, 'gu');
const visible = new RegExp(String.raw`[^\s\p{Cc}\p{Mn}\p{Me}${INVISIBLE}]`, 'u');

/**
 * Invisible characters, unless they are the first group. That is where scripts and emoji need them: in emoji as Unicode
 * recommends them; joiners after letters of scripts that join them, and between pictures; variation selectors after
 * characters that have variants. At most one each.
 */
const hidden = new RegExp(
  `(${[
    String.raw`\p{RGI_Emoji}`,
    String.raw`(?<=(?=[\p{L}\p{M}])(?!\p{Default_Ignorable_Code_Point})[${joining()}])[\u200c\u200d]`,
    String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d(?=\p{Extended_Pictographic})`,
    String.raw`(?<=\p{Extended_Pictographic})[\ufe0e\ufe0f]`,
    String.raw`(?<=\p{Script=Han})[\ufe00-\ufe02\u{e0100}-\u{e01ef}]`,
    String.raw`(?<=[\p{Script=Myanmar}\p{Script=Phags_Pa}])\ufe00`,
    String.raw`(?<=(?=\p{L})\p{Script=Mongolian})[\u180b-\u180f]`,
  ].join('|')})|[${INVISIBLE}]`,
  'gv',
);

function joining(): string {
  const scripts =
    'Arabic Syriac Mongolian Nko Mandaic Adlam Hanifi_Rohingya Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu ' +
    'Kannada Malayalam Sinhala Khmer Myanmar Tibetan Javanese Balinese Sundanese Newa Chakma Meetei_Mayek Ol_Chiki';
  return scripts
    .split(' ')
    .map((script) => String.raw`\p{Script_Extensions=${script}}`)
    .join('');
}

/** False for texts of nothing but spaces, invisible and control characters, and accents without a letter. */
export const hasVisibleText = (text: string): boolean => visible.test(text);

/** True when a text has an invisible character, even one that its script or an emoji needs. */
export const hasInvisible = (text: string): boolean => invisible.test(text);

/** The text without invisible characters that neither its script nor an emoji needs. */
export const withoutHidden = (text: string): string =>
  invisible.test(text) ? text.replace(hidden, (_, needed: string | undefined) => needed ?? '') : text;

/** True when a text has an invisible character that neither its script nor an emoji needs. */
export const hasHidden = (text: string): boolean => withoutHidden(text) !== text;

/** The text without its invisible characters. */
export const withoutInvisible = (text: string): string => text.replace(anyInvisible, '');
