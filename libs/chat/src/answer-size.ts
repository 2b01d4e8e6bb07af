/**
 * Size of an answer, in bytes of JSON, beyond which it is cut. Answers are somewhat larger: what follows is counted
 * before it is complete.
 */
export const ANSWER_BYTES = 1024 * 1024;

/** The bytes of a value as JSON. */
export const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/** The first items that fit into `bytes` together, at least `atLeast` of them. */
export function fitting<T>(items: readonly T[], bytes = ANSWER_BYTES, atLeast = 1): T[] {
  let left = bytes;
  const end = items.findIndex((item, at) => (left -= sizeOf(item)) < 0 && at >= atLeast);
  return end < 0 ? [...items] : items.slice(0, end);
}

/** SQL: about how many bytes of JSON a message takes, given an alias of `chat.message`. */
export const messageBytes = (alias: string): string =>
  `(400 + octet_length(to_json(${alias}.body)::text) + 39 * cardinality(${alias}.mentions)` +
  ['attachments', 'reactions', 'system', 'forwarded_from']
    .map((column) => ` + coalesce(octet_length(${alias}.${column}::text), 0)`)
    .join('') +
  ')';
