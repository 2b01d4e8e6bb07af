/** The rules for usernames, displayed names, titles and topics. */
import { hasHidden, hasVisibleText, withoutInvisible } from './invisible.js';

const NAME_REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/[\p{Cc}\u2028\u2029]/u, 'must not contain control characters or line breaks'],
  [/\p{Bidi_Control}/u, 'must not contain direction marks'],
];
const MARK_PILE = /\p{M}{5}/u;

/**
 * A username, displayed name, title or topic as it is stored: compatibility characters are replaced (NFKC), spaces
 * around it removed.
 */
export const normalName = (name: string): string => name.normalize('NFKC').trim();

/** A username as it is compared: without case, width and other compatibility forms. */
export const foldUsername = (username: string): string => username.normalize('NFKC').toLowerCase();

/** Why a name, title or topic is refused, in any script. Undefined for a good one, and for an empty one. */
export function problemOfName(name: string): string | undefined {
  const refusal = NAME_REFUSALS.find(([pattern]) => pattern.test(name));
  if (refusal) return refusal[1];
  if (name !== '' && !hasVisibleText(name)) return 'must have something visible';
  if (hasHidden(name)) return 'must not contain invisible characters';
  // Joiners do not end a pile.
  if (MARK_PILE.test(withoutInvisible(name))) return 'must not have more than 4 accents on a letter';
  return undefined;
}
