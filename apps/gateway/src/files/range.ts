import type { Range } from './store.js';

/** The one range of a file of `size` bytes that is wanted (RFC 9110); anything else that `Range` may say is answered with the whole file. */
export function rangeOf(
  {
    range = '',
    'if-range': condition,
  }: { readonly range?: string | undefined; readonly 'if-range'?: string | string[] | undefined },
  size: number,
  tag: string,
): Range | 'unsatisfiable' | undefined {
  if (condition !== undefined && condition !== tag) return undefined;
  const [, from, to] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  // The last bytes; of a shorter file, all.
  if (from === '') return Number(to) === 0 ? 'unsatisfiable' : { start: Math.max(0, size - Number(to)), end: size - 1 };
  const [start, end] = [Number(from), to === '' ? Infinity : Number(to)];
  if (end < start) return undefined;
  return start < size ? { start, end: Math.min(end, size - 1) } : 'unsatisfiable';
}
