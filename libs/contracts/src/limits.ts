import { z } from 'zod';

/** The limits that `session:ready` announces. Bytes count UTF-8. */
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

/** The limits of a deployment that sets no others. Clients read those of their server from `session:ready`. */
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

/**
 * The values that a deployment may choose for its limits. Bounds on input hold for every deployment; what it allows
 * within them, its services check. A page or packet is never smaller than clients of this protocol version expect, and the largest body
 * fits into the smallest packet even if a client escapes every character.
 */
export const limitBounds = Object.freeze({
  bodyBytes: { min: 256, max: 20 * 1024 },
  packetBytes: { min: 64 * 1024, max: 1024 * 1024 },
  attachmentBytes: { min: 1024, max: 1024 ** 3 },
  uploadBytes: { min: 1024, max: 5 * 1024 ** 3 },
  membersPerGroup: { min: 2, max: 20_000 },
  pageSize: { min: 100, max: 500 },
  socketsPerUser: { min: 1, max: 100 },
  presenceWatches: { min: 1, max: 1000 },
  receiptsToAllUpTo: { min: 0, max: 1000 },
}) satisfies Partial<Record<keyof Limits, { readonly min: number; readonly max: number }>>;
/** The name of a limit that a deployment may set. */
export type LimitName = keyof typeof limitBounds;

/**
 * Rate limits at the gateway (docs/protocol.md, section 4): `points` in `seconds`, per address; `failedLogin` per
 * account and address. `anonymous`: HTTP requests without a session. `handshake`: handshakes without a valid token.
 * `pages`: requests for what is no call (pages, their files, documents, unknown addresses), at each gateway; a page and
 * its files are a few dozen.
 */
export const rates = Object.freeze({
  register: { points: 30, seconds: 60 },
  login: { points: 60, seconds: 60 },
  failedLogin: { points: 10, seconds: 15 * 60 },
  anonymous: { points: 100, seconds: 1, burst: 200 },
  handshake: { points: 10, seconds: 1, burst: 100 },
  pages: { points: 100, seconds: 1, burst: 1000 },
});

/**
 * Rates of one user over all connections, gateways and interfaces: tokens regained per second, and their maximum.
 * The gateway says what a call draws from which.
 */
export const userRates = Object.freeze({
  /** Calls of any kind, by their cost. */
  calls: { perSecond: 100, burst: 200 },
  /** Sends, edits, deletions and reactions. */
  messages: { perSecond: limits.messagesPerSecond, burst: limits.messageBurst },
  /** Conversations that the user creates. */
  creations: { perSecond: 5, burst: 60 },
  /** People that the user puts into conversations. */
  additions: { perSecond: 20, burst: 300 },
  searches: { perSecond: 2, burst: 10 },
});
/** The name of one of the {@link userRates}. */
export type UserRate = keyof typeof userRates;

/** Times shared by clients and services, in milliseconds. */
export const times = Object.freeze({
  /** The interval of a client's `presence:heartbeat`. After three missed ones the user is `away`. */
  heartbeatMs: 10_000,
  /**
   * A connection that was not renewed for this time counts as closed. Together with the sweep's interval this keeps I6
   * (35 s).
   */
  leaseMs: 25_000,
  /** The interval at which a gateway renews its connections' leases. */
  renewMs: 8_000,
  /** Typing ends after this time without a repeat. */
  typingMs: 6_000,
  /** Maximum time that a client's call waits for services (I10 allows 10 s). */
  deadlineMs: 8_000,
});
