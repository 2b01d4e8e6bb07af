/** The rules for message bodies. Servers and clients share them. */

const VISIBLE =
  /[^\s\p{Cc}\p{Cf}\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800\u{1d159}]/u;
/** Control characters except line feed and tab. */
const BODY_CONTROLS = /(?![\n\t])\p{Cc}/u;
const ANY_BODY_CONTROL = new RegExp(BODY_CONTROLS, 'gu');

/** False for texts of nothing but spaces, invisible characters, direction marks and accents without a letter. */
export const hasVisibleText = (text: string): boolean => VISIBLE.test(text);

/** True when a body has a control character other than line feed and tab. */
export const hasBodyControls = (body: string): boolean => BODY_CONTROLS.test(body);

/** The text with line feeds as its only line ends. */
export const withLineFeeds = (text: string): string => text.replaceAll('\r\n', '\n');

/** The text as a body that the server accepts: without the control characters that come along when text is pasted. */
export const cleanBody = (text: string): string =>
  withLineFeeds(text).replaceAll('\r', '\n').replace(ANY_BODY_CONTROL, '');
