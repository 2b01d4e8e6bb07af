import { canonicalEmoji } from '@parley/contracts';
import { readItem, writeItem } from './local-storage.ts';

const KEY = 'parley-recent-emoji';
const MAX_RECENT = 16;
/** Those that fill the place of recent ones at first. */
const common = ['👍', '❤️', '😂', '🎉', '😮', '😢', '🙏', '🔥'];

/** The emoji that were picked in this browser, the last one first, then common ones. */
export function recentEmoji(): string[] {
  const picked = (readItem(KEY) ?? '').slice(0, 2000).split(' ');
  const emoji = [...picked, ...common].flatMap((text) => canonicalEmoji(text) ?? []);
  return [...new Set(emoji)].slice(0, MAX_RECENT);
}

/** Puts an emoji in front of the recent ones. */
export const rememberEmoji = (emoji: string): void =>
  writeItem(KEY, [...new Set([emoji, ...(readItem(KEY) ?? '').split(' ')])].slice(0, MAX_RECENT).join(' '));
