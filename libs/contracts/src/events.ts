/**
 * Server events (docs/protocol.md, section 3). Each is sent at most once per connection; `sync` returns missed ones.
 */
import { z } from 'zod';
import { Limits } from './limits.js';
import {
  Conversation,
  IceServer,
  Id,
  Line,
  Member,
  Message,
  Notifications,
  RelayedJson,
  Position,
  Presence,
  Receipt,
  User,
} from './shapes.js';

/**
 * The events that clients receive, by name, with the schema of the payload. The gateway sends `session:*`; history
 * `receipt:updated`, `unread:changed`, `typing` and `peer:signal`; presence `presence:changed`; messages all others,
 * after the commit of the change.
 */
export const serverEvents = {
  /**
   * The first event of a connection. Live delivery is complete from here on. `serverTime` is an ISO-8601 time; `epoch`
   * identifies the database.
   */
  'session:ready': z.object({
    connectionId: Id,
    user: User,
    serverTime: z.string(),
    epoch: z.string(),
    protocol: z.literal(1),
    heartbeatMs: z.number().int(),
    limits: Limits,
    /** Servers for connections between browsers, if the deployment has any. */
    iceServers: z.array(IceServer).optional(),
  }),
  /** The session or this connection has ended, for the given reason. The server then closes the connection. */
  'session:revoked': z.object({ reason: z.enum(['logout', 'ended', 'password', 'reuse', 'expired', 'too_many']) }),
  /** The user’s own profile changed, on any device, or the guest became a person. To every connection of the user. */
  'user:updated': z.object({ user: User }),
  /** A new message, to every connection of every member, the sender’s included. */
  'message:new': z.object({ message: Message }),
  /**
   * The new state of a message after an edit, a deletion, a pin or a reaction. `reaction`: the reaction that was added
   * or removed, if it was one.
   */
  'message:updated': z.object({
    message: Message,
    reaction: z.object({ userId: Id, emoji: z.string(), added: z.boolean() }).optional(),
  }),
  /**
   * A member’s new positions, to the members; in conversations of more than `limits.receiptsToAllUpTo` members only to
   * the senders of the messages.
   */
  'receipt:updated': Receipt,
  /** The user became a member, or created the conversation. */
  'conversation:new': z.object({ conversation: Conversation }),
  /** The new description of a conversation, with the `rev` of the change. */
  'conversation:updated': z.object({ conversation: Conversation }),
  /** The user is no longer a member, or the conversation was deleted. */
  'conversation:removed': z.object({ conversationId: Id, reason: z.enum(['left', 'removed', 'banned', 'deleted']) }),
  /** A member joined, changed or left, with the `rev` of the change. `memberCount`: the number of members after it. */
  'member:changed': z.union([
    z.object({ conversationId: Id, member: Member, rev: Position, memberCount: z.number().int().optional() }),
    z.object({
      conversationId: Id,
      userId: Id,
      left: z.literal(true),
      rev: Position,
      memberCount: z.number().int().optional(),
    }),
  ]),
  /**
   * Unread counts of one conversation, to the other devices of the reader. `unreadFrom`: the private unread mark, if
   * one is set. `notifications`: present if the user just changed the setting.
   */
  'unread:changed': z.object({
    conversationId: Id,
    unread: z.number().int(),
    mentions: z.number().int(),
    readSeq: Position,
    unreadFrom: Position.optional(),
    notifications: Notifications.optional(),
  }),
  /** A member types. `active: false` follows when they stop, or `times.typingMs` after their last report. */
  typing: z.object({ conversationId: Id, userId: Id, active: z.boolean() }),
  /** The new presence of a user, to the connections that watch the user. */
  'presence:changed': Presence,
  /** A new line on the board of a conversation, to its members. */
  'drawing:line': z.object({ conversationId: Id, userId: Id, line: Line }),
  /** A member gave lines of theirs another colour or width. */
  'drawing:changed': z.object({
    conversationId: Id,
    userId: Id,
    lineIds: z.array(z.string()),
    color: z.string().optional(),
    width: z.number().optional(),
  }),
  /** A member took lines of theirs off the board. */
  'drawing:removed': z.object({ conversationId: Id, userId: Id, lineIds: z.array(z.string()) }),
  /** The board was emptied. Lines that were drawn at an earlier `rev` are gone. */
  'drawing:reset': z.object({ conversationId: Id, userId: Id, rev: Position }),
  /**
   * WebRTC signalling by the other member of a direct conversation. It is not stored, and not repeated after a
   * disconnect.
   */
  'peer:signal': z.object({ from: Id, conversationId: Id, data: RelayedJson }),
} as const satisfies Record<string, z.ZodType>;

/** The name of an event that clients receive, such as `message:new`. */
export type ServerEventName = keyof typeof serverEvents;
/** The payload of a server event. Clients must ignore fields that they do not know. */
export type ServerEvent<N extends ServerEventName> = z.output<(typeof serverEvents)[N]>;
/**
 * Why a connection was closed by `session:revoked`: `logout` on this device; `ended` from another device; `password`
 * changed; `reuse` of a spent refresh token; `expired` login; `too_many` connections of the user.
 */
export type RevocationReason = ServerEvent<'session:revoked'>['reason'];
