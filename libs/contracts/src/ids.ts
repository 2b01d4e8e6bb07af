/**
 * The number of shards of a new deployment: a power of two up to 256. It can be raised, because ids carry eight shard
 * bits.
 */
export const DEFAULT_SHARDS = 16;

// Random bytes for many ids at once: asking for 16 bytes at a time took a tenth of a busy gateway's CPU time.
const pool = new Uint8Array(16 * 256);
let used = pool.length;
function random16(): Uint8Array {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool.subarray(used, (used += 16));
}

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * A new UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits.
 * With `like`, the last byte is copied from that id, so that both belong to the same shard (see {@link shardOf}).
 */
export function newId(like?: string, now: number = Date.now()): string {
  const bytes = random16();
  let rest = now;
  for (let at = 5; at >= 0; at--) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  let id = '';
  for (let at = 0; at < 15; at++) {
    id += hex[bytes[at]!]!;
    if (at === 3 || at === 5 || at === 7 || at === 9) id += '-';
  }
  return id + (like === undefined ? hex[bytes[15]!]! : like.slice(-2));
}

/** The time of a UUIDv7, in milliseconds since 1970. */
export const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/**
 * The shard of a conversation or message id. It is taken from the last byte, which is random in a conversation's id and
 * copied into the ids of its messages.
 */
export function shardOf(id: string, shards: number = DEFAULT_SHARDS): number {
  return Number.parseInt(id.slice(-2), 16) % shards;
}
