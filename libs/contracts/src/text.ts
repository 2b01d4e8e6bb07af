/** The rules for texts that people write. Servers and clients share them. */

const VISIBLE =
  /[^\s\p{Cc}\p{Cf}\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\u{1d159}]/u;
/** Control characters except line feed and tab. */
const BODY_CONTROLS = /[[\p{Cc}]--[\n\t]]/v;
const ANY_BODY_CONTROL = new RegExp(BODY_CONTROLS, 'gv');

/** False for texts of nothing but spaces, invisible characters, direction marks and accents without a letter. */
export const hasVisibleText = (text: string): boolean => VISIBLE.test(text);

/** True when a body has a control character other than line feed and tab. */
export const hasBodyControls = (body: string): boolean => BODY_CONTROLS.test(body);

/** The text with line feeds as its only line ends. */
export const withLineFeeds = (text: string): string => text.replaceAll('\r\n', '\n');

/** The text as a body that the server accepts: without the control characters that come along when text is pasted. */
export const cleanBody = (text: string): string =>
  withLineFeeds(text).replaceAll('\r', '\n').replace(ANY_BODY_CONTROL, '');

const NAME_REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/[\p{Cc}\u2028\u2029]/u, 'must not contain control characters or line breaks'],
  [/\p{Bidi_Control}/u, 'must not contain direction marks'],
];
const FORMAT_CHARACTERS = /\p{Cf}/gu;
const TAG = /[\u{e0000}-\u{e007f}]/u;
const FLAG_WITH_TAGS = /\p{RGI_Emoji_Tag_Sequence}/gv;
const MARK_PILE = /\p{M}{5}/u;

/** A username, displayed name, title or topic as it is stored: compatibility characters are replaced (NFKC), spaces around it removed. */
export const normalName = (name: string): string => name.normalize('NFKC').trim();

/** A username as it is compared: without case, width and other compatibility forms. */
export const foldUsername = (username: string): string => username.normalize('NFKC').toLowerCase();

/** Why a name, title or topic is refused, in any script. Undefined for a good one, and for an empty one. */
export function problemOfName(name: string): string | undefined {
  const refusal = NAME_REFUSALS.find(([pattern]) => pattern.test(name));
  if (refusal) return refusal[1];
  if (name !== '' && !hasVisibleText(name)) return 'must have something visible';
  if (TAG.test(name.replace(FLAG_WITH_TAGS, ''))) return 'must not contain tag characters';
  // Joiners do not end a pile.
  if (MARK_PILE.test(name.replace(FORMAT_CHARACTERS, ''))) return 'must not have more than 4 accents on a letter';
  return undefined;
}

const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g;
/** Emoji that are shown as text without a variation selector. A skin tone makes them emoji by itself. */
const TEXT_EMOJI = /(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu;
const RGI_EMOJI = /^\p{RGI_Emoji}$/v;

/**
 * The one spelling of an emoji that is recommended for general interchange (RGI): with a variation selector exactly where Unicode's list has it, however it came. Undefined for everything else.
 */
export function canonicalEmoji(text: string): string | undefined {
  const emoji = text.replace(VARIATION_SELECTORS, '').replace(TEXT_EMOJI, '$&\ufe0f');
  return RGI_EMOJI.test(emoji) ? emoji : undefined;
}
