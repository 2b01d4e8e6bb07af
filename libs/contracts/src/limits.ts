import { z } from 'zod';

/** Limits as a client sees them in `session:ready.limits`. Bytes are bytes of UTF-8. */
export const Limits = z.object({
  bodyBytes: z.number().int(),
  packetBytes: z.number().int(),
  attachmentBytes: z.number().int(),
  uploadBytes: z.number().int(),
  membersPerGroup: z.number().int(),
  pageSize: z.number().int(),
  socketsPerUser: z.number().int(),
  presenceWatches: z.number().int(),
  messagesPerSecond: z.number(),
  messageBurst: z.number().int(),
  receiptsToAllUpTo: z.number().int(),
});
export type Limits = z.infer<typeof Limits>;

export const limits: Limits = Object.freeze({
  bodyBytes: 8 * 1024,
  packetBytes: 64 * 1024,
  attachmentBytes: 25 * 1024 * 1024,
  uploadBytes: 1024 * 1024 * 1024,
  membersPerGroup: 5000,
  pageSize: 100,
  socketsPerUser: 10,
  presenceWatches: 200,
  messagesPerSecond: 20,
  messageBurst: 60,
  receiptsToAllUpTo: 200,
});

/** Rates at the edge, per address (see PROTOCOL section 4). `points` in `seconds`. */
export const rates = Object.freeze({
  register: { points: 30, seconds: 60 },
  login: { points: 60, seconds: 60 },
  failedLogin: { points: 10, seconds: 15 * 60 },
});

/** Times in milliseconds that parts agree on. */
export const times = Object.freeze({
  /** How often a client sends `presence:heartbeat`; three missed ones make `away`. */
  heartbeatMs: 10_000,
  /** A connection that its gateway has not renewed for so long is gone. With the sweep it keeps I6 (35 s). */
  leaseMs: 25_000,
  /** How often a gateway renews its connections' leases. */
  renewMs: 8_000,
  /** Somebody who does not repeat that they type has stopped. */
  typingMs: 6_000,
  /** The longest a client call waits for the parts behind the gateway (I10 allows 10 s). */
  deadlineMs: 8_000,
});
