/**
 * Server events (docs/protocol.md, section 3). Each is sent at most once per connection; `sync` returns missed ones.
 */
import { z } from 'zod';
import { Limits } from './limits.js';
import {
  Conversation,
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

export const serverEvents = {
  'session:ready': z.object({
    connectionId: Id,
    user: User,
    serverTime: z.string(),
    epoch: z.string(),
    protocol: z.literal(1),
    heartbeatMs: z.number().int(),
    limits: Limits,
  }),
  'session:revoked': z.object({ reason: z.enum(['logout', 'ended', 'password', 'reuse', 'expired', 'too_many']) }),
  'message:new': z.object({ message: Message }),
  'message:updated': z.object({
    message: Message,
    reaction: z.object({ userId: Id, emoji: z.string(), added: z.boolean() }).optional(),
  }),
  'receipt:updated': Receipt,
  'conversation:new': z.object({ conversation: Conversation }),
  'conversation:updated': z.object({ conversation: Conversation }),
  'conversation:removed': z.object({ conversationId: Id, reason: z.enum(['left', 'removed', 'banned', 'deleted']) }),
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
   * `unreadFrom`: the private unread mark, if one is set. `notifications`: present if the user just changed the
   * setting.
   */
  'unread:changed': z.object({
    conversationId: Id,
    unread: z.number().int(),
    mentions: z.number().int(),
    readSeq: Position,
    unreadFrom: Position.optional(),
    notifications: Notifications.optional(),
  }),
  /** `active: false` follows when the user stops, or `times.typingMs` after the last report. */
  typing: z.object({ conversationId: Id, userId: Id, active: z.boolean() }),
  'presence:changed': Presence,
  'drawing:line': z.object({ conversationId: Id, userId: Id, line: Line }),
  'drawing:reset': z.object({ conversationId: Id, userId: Id, rev: Position }),
  'peer:signal': z.object({ from: Id, conversationId: Id, data: RelayedJson }),
} as const satisfies Record<string, z.ZodType>;

export type ServerEventName = keyof typeof serverEvents;
export type ServerEvent<N extends ServerEventName> = z.output<(typeof serverEvents)[N]>;
export type RevocationReason = ServerEvent<'session:revoked'>['reason'];
