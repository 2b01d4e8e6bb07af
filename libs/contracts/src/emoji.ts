/** The emoji of reactions. */

const VARIATION_SELECTORS = /[\ufe0e\ufe0f]/g;
/** Emoji that are shown as text without a variation selector. A skin tone makes them emoji by itself. */
const TEXT_EMOJI = /(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu;
const RGI_EMOJI = /^\p{RGI_Emoji}$/v;

/**
 * The one spelling of an emoji that is recommended for general interchange (RGI): with a variation selector exactly
 * where Unicode's list has it, however it came. Undefined for everything else.
 */
export function canonicalEmoji(text: string): string | undefined {
  const emoji = text.replace(VARIATION_SELECTORS, '').replace(TEXT_EMOJI, '$&\ufe0f');
  return RGI_EMOJI.test(emoji) ? emoji : undefined;
}
