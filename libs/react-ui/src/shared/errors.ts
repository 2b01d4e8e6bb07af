import type { ErrorBody, ErrorCode } from '@parley/contracts';

const textsByCode: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Your session has ended. Please log in again.',
  forbidden: 'You are not allowed to do that here.',
  muted: 'You are muted here: you can read, but not write.',
  banned: 'You are banned from this conversation.',
  blocked: 'One of you has blocked the other.',
  not_found: 'This no longer exists.',
  too_large: 'That is too large.',
  unsupported_media: 'Files of this kind can’t be sent.',
  rate_limited: 'That was a little too fast. Try again in a moment.',
  unavailable: 'The server can’t do that right now. Try again in a moment.',
  internal: 'Something went wrong on the server.',
};

const seconds = (ms: number | undefined): string => {
  const count = Math.max(1, Math.ceil((ms ?? 1000) / 1000));
  return count === 1 ? 'a second' : `${count} seconds`;
};

function hasCode(error: unknown): error is ErrorBody {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';
}

/** Describes an error to the user. */
export function explain(error: unknown): string {
  if (!hasCode(error)) return navigator.onLine ? 'Something went wrong. Try again.' : 'You are offline.';
  if (error.code === 'slow_mode') return `Slow mode: you can write again in ${seconds(error.retryAfterMs)}.`;
  if (error.code === 'reaction_gate') {
    const { needed, have } = (error.details ?? {}) as { needed?: number; have?: number };
    return `Your previous message needs ${needed ?? 'more'} reaction${needed === 1 ? '' : 's'} from others before you can write again${have ? ` (it has ${have})` : ''}.`;
  }
  if (error.code === 'invalid' || error.code === 'conflict') return asSentence(error.message);
  return textsByCode[error.code] ?? asSentence(error.message);
}

const asSentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
