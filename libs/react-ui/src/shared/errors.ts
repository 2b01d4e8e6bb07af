import type { ErrorBody, ErrorCode } from '@parley/contracts';
import { currentStrings } from '../strings/strings.tsx';

function hasCode(error: unknown): error is ErrorBody {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';
}

/** Describes an error to the user. */
export function explain(error: unknown): string {
  const { errors } = currentStrings();
  if (!hasCode(error)) return navigator.onLine ? errors.failed : errors.offline;
  if (error.code === 'slow_mode') return errors.slowMode(Math.max(1, Math.ceil((error.retryAfterMs ?? 1000) / 1000)));
  if (error.code === 'reaction_gate') {
    const { needed, have } = (error.details ?? {}) as { needed?: number; have?: number };
    return errors.reactionGate(needed, have ?? 0);
  }
  const texts: Partial<Record<ErrorCode, string>> = errors.byCode;
  return texts[error.code] ?? errors.refused(asSentence(error.message));
}

const asSentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
