import { z } from 'zod';
import { limitBounds } from './limits.js';
import { canonicalEmoji } from './emoji.js';
import { foldUsername, normalName, problemOfName } from './names.js';
import { hasBodyControls, withLineFeeds } from './bodies.js';
import { hasInvisible } from './invisible.js';

/** Ids are UUIDv7 strings in lower case. Any other UUID is accepted as input and never found. */
export const Id = z.guid().toLowerCase();
/** ISO-8601 UTC with milliseconds. */
export const Time = z.iso.datetime({ precision: 3 });
/** A position in a conversation; 0 is before the first message. */
export const Position = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const encoder = new TextEncoder();
/** Whether a text has at most `max` bytes in UTF-8. */
export const isWithinBytes = (value: string, max: number): boolean =>
  value.length * 3 <= max || encoder.encode(value).length <= max;
const hasNoNul = (value: string) => !value.includes('\0');
/**
 * Text that Postgres can store: without NUL. `min` and `max` count Unicode code points, not UTF-16 units: an emoji
 * outside the basic plane counts as one, although its JavaScript `length` is 2.
 */
export const text = (min: number, max: number) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine(hasNoNul, 'must not contain NUL')
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode');
/**
 * An identifier that somebody else chooses, such as a `clientId`: shown in lists and logs, it must not look like another
 * one. `max` counts code points.
 */
export const identifier = (max: number) =>
  text(1, max)
    .refine((value) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value), 'must not contain control characters or line breaks')
    .refine((value) => !hasInvisible(value), 'must not contain direction marks or invisible characters');
/** A displayed name, title or topic, by the one policy of names (see {@link problemOfName}). `min` and `max` count code points. */
const name = (min: number, max: number) =>
  z
    .string()
    .overwrite(normalName)
    .min(min)
    .max(max)
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
    .superRefine((value, context) => {
      const problem = problemOfName(value);
      if (problem !== undefined) context.addIssue(problem);
    });
/** A displayed name or title: not empty, by the one policy of names. `max` counts code points. */
export const label = (max: number) => name(1, max);
/** A topic, which may be empty. */
export const Topic = name(0, 1000);
/** A field that `null` or an empty text takes away. */
export const clearable = <T extends z.ZodType>(schema: T) => z.union([z.null(), z.literal(''), schema]);
/**
 * A message body, with line feeds as line ends. Its limit counts UTF-8 bytes, and exceeding it is `too_large`, not
 * `invalid`. The gateway checks the limit of its deployment, which is lower.
 */
export const Body = z
  .string()
  .overwrite(withLineFeeds)
  .refine(
    (value) => !hasBodyControls(value),
    'must not contain control characters but line feed and tab, nor direction overrides',
  )
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode')
  .refine((value) => isWithinBytes(value, limitBounds.bodyBytes.max), {
    message: `must be at most ${limitBounds.bodyBytes.max} bytes`,
    params: { code: 'too_large' },
  });

/** One emoji of the set recommended for general interchange (RGI), in its canonical spelling. */
export const Emoji = z
  .string()
  .min(1)
  .max(64)
  .overwrite((value) => canonicalEmoji(value) ?? value)
  .refine((value) => canonicalEmoji(value) !== undefined, 'must be one emoji');

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** The emoji of a stored reaction. Earlier versions stored any grapheme with a pictograph, a flag or a keycap. */
export const StoredEmoji = z
  .string()
  .min(1)
  .max(64)
  .overwrite((value) => canonicalEmoji(value) ?? value)
  .refine(
    (value) =>
      canonicalEmoji(value) !== undefined ||
      (/\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|\u20e3/u.test(value) &&
        [...graphemes.segment(value)].length === 1),
    'must be one emoji',
  );

/** A username, in lower case: upper case and compatibility characters are accepted and folded. Unique in a deployment. */
export const Username = z
  .string()
  .overwrite(foldUsername)
  .regex(/^[a-z0-9_.-]{3,32}$/, 'must be 3 to 32 of a-z 0-9 _ . -')
  .refine((username) => /[a-z0-9]/.test(username), 'must have a letter or digit');
/** A new password. Its length counts code points; no characters are required or refused. */
export const Password = z.string().min(10).max(200);
/** `#rrggbb` in lower case. */
export const Color = z
  .string()
  .regex(/^#[0-9a-f]{6}$/i, 'must be #rrggbb')
  .toLowerCase();
/** The `nextCursor` of an earlier page. Opaque, and valid only for the list that returned it. */
export const Cursor = z.string().min(1).max(500);
/** The maximum number of items on a page, at most the deployment's `pageSize`. The server may return fewer. */
export const Limit = z.number().int().min(1).max(limitBounds.pageSize.max);
/** Ids that are looked up together, at most the deployment's `pageSize`. */
export const PageIds = z.array(Id).min(1).max(limitBounds.pageSize.max);
/** Ids of which more than `max` are `too_large`, not `invalid`: a limit of the protocol (docs/protocol.md, section 4). */
export const limitedIds = (max: number) =>
  z
    .array(Id)
    .refine(({ length }) => length <= max, { message: `must be at most ${max}`, params: { code: 'too_large' } })
    .meta({ maxItems: max });
/** The users whose presence is asked for, at most the deployment's `presenceWatches`. */
export const PresenceIds = z.array(Id).min(1).max(limitBounds.presenceWatches.max);

/**
 * A user as everybody sees them. The server generates a guest’s `username`. `avatarId`: the attachment with the
 * picture.
 */
export const User = z.object({
  id: Id,
  username: z.string(),
  displayName: z.string(),
  avatarId: Id.optional(),
  kind: z.enum(['person', 'guest', 'bot']),
  createdAt: Time,
});
export type User = z.infer<typeof User>;

/** The user's own profile. Its additional fields are returned only by `GET` and `PATCH /users/me`. */
export const Me = User.extend({
  email: z.string().optional(),
  firstName: z.string().optional(),
  lastName: z.string().optional(),
});
export type Me = z.infer<typeof Me>;

/** A new session's tokens. `accessToken` is a JWT; `refreshToken` can be used once. */
export const Session = z.object({
  user: User,
  accessToken: z.string(),
  accessTokenExpiresAt: Time,
  refreshToken: z.string(),
  sessionId: Id,
});
export type Session = z.infer<typeof Session>;

/** One of the caller's sessions. `current`: the session of the request. */
export const Device = z.object({
  id: Id,
  deviceName: z.string().optional(),
  createdAt: Time,
  lastSeenAt: Time,
  address: z.string().optional(),
  current: z.boolean(),
});
export type Device = z.infer<typeof Device>;

/** The role of a member. A group or channel has exactly one `creator`; both members of a direct conversation are. */
export const Role = z.enum(['creator', 'admin', 'member']);
export type Role = z.infer<typeof Role>;
/**
 * `muted` members may read, send receipts and leave, and nothing else. `banned` ones have no access. A mute ends at
 * `mutedUntil`, a ban at `bannedUntil`, if present.
 */
export const MemberStatus = z.enum(['active', 'muted', 'banned']);
export type MemberStatus = z.infer<typeof MemberStatus>;

/**
 * A conversation's settings. `reactionGate`: reactions by others that the previous message needs. Absent fields: no
 * restriction.
 */
export const Policy = z.strictObject({
  reactionGate: z.number().int().min(0).max(100).optional(),
  slowModeSeconds: z.number().int().min(0).max(86_400).optional(),
  guests: z.boolean().optional(),
  membersInvite: z.boolean().optional(),
});
export type Policy = z.infer<typeof Policy>;

/**
 * The type tells clients how to show a message; the server does not derive it from the attachments. Only the server
 * writes `system` messages.
 */
export const MessageType = z.enum(['text', 'image', 'video', 'audio', 'voice', 'document', 'system']);
export type MessageType = z.infer<typeof MessageType>;

/** A file of a message. `size` in bytes, `width` and `height` in pixels. `url` is relative to the server. */
export const Attachment = z.object({
  id: Id,
  name: z.string(),
  mediaType: z.string(),
  size: z.number().int(),
  width: z.number().int().optional(),
  height: z.number().int().optional(),
  durationMs: z.number().int().optional(),
  thumbnailId: Id.optional(),
  url: z.string(),
});
export type Attachment = z.infer<typeof Attachment>;

/** The reactions with one emoji. `userIds`: at most 20 of the users. `mine`: the receiving user is one of them. */
export const Reaction = z.object({
  emoji: z.string(),
  count: z.number().int(),
  userIds: z.array(Id).max(20),
  mine: z.boolean().optional(),
});
export type Reaction = z.infer<typeof Reaction>;

/**
 * The content of a system message. Kinds may be added; clients may show unknown kinds in any form. `userId`: the
 * affected user, if not the sender.
 */
export const SystemNote = z.object({
  kind: z.enum(['created', 'joined', 'added', 'left', 'removed', 'banned', 'renamed', 'creator']).or(z.string()),
  userId: Id.optional(),
  value: z.string().optional(),
});
export type SystemNote = z.infer<typeof SystemNote>;
/** The origin of a forwarded message. Users who can see the original can open it; others learn only its author. */
export const Forwarded = z.object({ messageId: Id, senderId: Id });
export type Forwarded = z.infer<typeof Forwarded>;

/**
 * A message. `seq`: its position in the conversation, without gaps from 1. `rev`: the conversation's revision of its
 * last change.
 */
export const Message = z.object({
  id: Id,
  conversationId: Id,
  seq: z.number().int().positive(),
  rev: z.number().int().positive(),
  senderId: Id,
  clientId: z.string(),
  type: MessageType,
  body: z.string(),
  attachments: z.array(Attachment),
  replyTo: Id.optional(),
  mentions: z.array(Id),
  createdAt: Time,
  editedAt: Time.optional(),
  deletedAt: Time.optional(),
  reactions: z.array(Reaction),
  forwardedFrom: Forwarded.optional(),
  pinnedAt: Time.optional(),
  system: SystemNote.optional(),
});
export type Message = z.infer<typeof Message>;

/** A member, as other members see them. `readSeq` and `deliveredSeq`: positions up to which they read and received. */
export const Member = z.object({
  userId: Id,
  role: Role,
  status: MemberStatus,
  mutedUntil: Time.optional(),
  bannedUntil: Time.optional(),
  joinedAt: Time,
  readSeq: Position,
  deliveredSeq: Position,
});
export type Member = z.infer<typeof Member>;

/** The messages for which a client should notify its user: all, those that mention the user, or none. */
export const Notifications = z.enum(['all', 'mentions', 'none']);
/** The caller's own membership. `unread` and `mentions` count messages after `readSeq`. */
export const Membership = z.object({
  role: Role,
  status: MemberStatus,
  mutedUntil: Time.optional(),
  readSeq: Position,
  deliveredSeq: Position,
  unread: z.number().int().min(0),
  mentions: z.number().int().min(0),
  notifications: Notifications,
  /** The member's private mark: messages from this position count as unread until the next `receipt:read`. */
  unreadFrom: Position.optional(),
});
export type Membership = z.infer<typeof Membership>;

/**
 * `direct`: exactly two members, at most one conversation per pair. `group`: all members write. `channel`: only creator
 * and admins write.
 */
export const ConversationKind = z.enum(['direct', 'group', 'channel']);
/**
 * `public`: everybody can find it, see its description and join it. `private`: only its members see that it exists.
 * Direct conversations are private.
 */
export const Visibility = z.enum(['private', 'public']);
/**
 * A conversation. `lastSeq`: the `seq` of its newest message, 0 if none. `rev` rises with every change. `me`: absent
 * for non-members.
 */
export const Conversation = z.object({
  id: Id,
  kind: ConversationKind,
  visibility: Visibility,
  title: z.string().optional(),
  topic: z.string().optional(),
  color: z.string().optional(),
  createdBy: Id,
  createdAt: Time,
  lastSeq: Position,
  rev: z.number().int().positive(),
  memberCount: z.number().int(),
  /** The two members of a direct conversation. */
  memberIds: z.array(Id).optional(),
  policy: Policy,
  me: Membership.optional(),
  lastMessage: Message.optional(),
});
export type Conversation = z.infer<typeof Conversation>;

/**
 * A member's positions: everything up to `deliveredSeq` is received, up to `readSeq` read. Positions never decrease.
 */
export const Receipt = z.object({
  conversationId: Id,
  userId: Id,
  deliveredSeq: Position,
  readSeq: Position,
  at: Time,
});
export type Receipt = z.infer<typeof Receipt>;

/** A page of messages, ascending by `seq`. */
export const MessagePage = z.object({
  items: z.array(Message),
  lastSeq: Position,
  hasBefore: z.boolean(),
  hasAfter: z.boolean(),
});
export type MessagePage = z.infer<typeof MessagePage>;

/** A member’s current state, or that the user has left. */
export const MemberChange = z.union([Member, z.object({ userId: Id, left: z.literal(true) })]);
/** The changes of one conversation after a `rev`: each message once, in its current state. */
export const Changes = z.object({
  messages: z.array(Message),
  members: z.array(MemberChange).optional(),
  /** Present if more members changed at one `rev` than an answer holds: load the list of members. */
  membersOmitted: z.literal(true).optional(),
  conversation: Conversation.optional(),
  receipts: z.array(Receipt),
  /** Present if the board was emptied since then: load it again. */
  drawing: z.object({ rev: Position }).optional(),
  rev: Position,
  complete: z.boolean(),
  epoch: z.string(),
});
export type Changes = z.infer<typeof Changes>;

/** The maximum nesting depth of relayed JSON, far below the depth that overflows a stack. */
const MAX_DEPTH = 64;
/** Checks only the depth, and that no binary data is inside. */
function isShallow(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return value !== undefined;
  return (
    depth > 0 &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof ArrayBuffer) &&
    Object.values(value).every((child) => isShallow(child, depth - 1))
  );
}
/** JSON that is forwarded without validation, of at most 64 levels. */
export const RelayedJson = z
  .unknown()
  .refine((value) => isShallow(value), `must be JSON of at most ${MAX_DEPTH} levels`);

/** A line that a client draws. The client chooses its id. Points are x, y, x, y … */
export const NewLine = z.strictObject({
  id: identifier(64),
  color: Color,
  width: z.number().min(0.1).max(200),
  points: z
    .array(z.number().min(-1e6).max(1e6))
    .min(2)
    .max(2000)
    .refine(({ length }) => length % 2 === 0, 'must be an even number of coordinates'),
});
export type NewLine = z.infer<typeof NewLine>;
/** A line on a board, in the order of drawing. The id is the one that its author chose. */
export const Line = z.object({
  id: z.string(),
  userId: Id,
  color: z.string(),
  width: z.number(),
  points: z.array(z.number()),
  createdAt: Time,
});
export type Line = z.infer<typeof Line>;
/** Some lines of a board, by their ids. */
export const LineIds = z.array(identifier(64)).min(1).max(500);
/** A board, or the next part of one: unless it is `complete`, `cursor` gives the rest. `rev`: the conversation's revision when it was read; a `drawing:reset` with a higher `rev` empties it. */
export const Drawing = z.object({
  items: z.array(Line),
  rev: Position,
  complete: z.boolean().optional(),
  cursor: Cursor.optional(),
});

/** An entry of the caller's contacts or blocked users. */
export const ListedUser = z.object({ user: User, createdAt: Time });
export type ListedUser = z.infer<typeof ListedUser>;

/** A body that was replaced by an edit, and the time of the edit. */
export const Edit = z.object({ body: z.string(), editedAt: Time });
export type Edit = z.infer<typeof Edit>;

/** A search result. `highlight` is a part of the body with each hit between U+E000 and U+E001. */
export const Found = z.object({ message: Message, highlight: z.string() });
export type Found = z.infer<typeof Found>;

/**
 * Something that happened to the caller. `mention`, `reply`: the `message` mentions them, or replies to theirs.
 * `invitation`: `userId` added them to the conversation. `unread`: the caller has not read up to `seq` there.
 */
export const Notification = z.object({
  kind: z.enum(['mention', 'reply', 'invitation']).or(z.string()),
  at: Time,
  conversationId: Id,
  userId: Id,
  seq: Position,
  unread: z.boolean(),
  message: Message.optional(),
});
export type Notification = z.infer<typeof Notification>;

/** A server that helps browsers to connect to each other (STUN, TURN), as `RTCIceServer` has it. */
export const IceServer = z.object({
  urls: z.array(z.string()),
  username: z.string().optional(),
  credential: z.string().optional(),
});
export type IceServer = z.infer<typeof IceServer>;

/** A bot and its token, which is shown only once. */
export const BotToken = z.object({ user: User, token: z.string() });
export type BotToken = z.infer<typeof BotToken>;

/** The events that a webhook can subscribe to. */
export const WebhookEvent = z.enum(['message.created', 'message.updated', 'member.changed', 'conversation.updated']);
export type WebhookEvent = z.infer<typeof WebhookEvent>;
/**
 * A webhook. `secret` signs deliveries and is shown only once, when the webhook is created. `disabledAt`: when it was
 * disabled, by an admin or after `failures` consecutive failed deliveries.
 */
export const Webhook = z.object({
  id: Id,
  conversationId: Id,
  url: z.string(),
  events: z.array(WebhookEvent),
  createdBy: Id,
  createdAt: Time,
  failures: z.number().int(),
  disabledAt: Time.optional(),
  secret: z.string().optional(),
});
export type Webhook = z.infer<typeof Webhook>;
/** The delivery of one event to a webhook. `dead`: no further attempts; `problem` is the last failure. */
export const WebhookDelivery = z.object({
  id: Id,
  event: WebhookEvent,
  state: z.enum(['waiting', 'delivered', 'dead']),
  attempts: z.number().int(),
  createdAt: Time,
  nextAttemptAt: Time.optional(),
  deliveredAt: Time.optional(),
  status: z.number().int().optional(),
  problem: z.string().optional(),
});
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

/** The unread counts of one conversation; `id` is the conversation's. */
export const UnreadEntry = z.object({
  id: Id,
  unread: z.number().int(),
  mentions: z.number().int(),
  readSeq: Position,
  lastSeq: Position,
});
/** The unread counts of conversations of the caller, and the sums over all of them. `nextCursor` is present if more conversations follow. */
export const Unread = z.object({
  total: z.number().int(),
  mentions: z.number().int(),
  conversations: z.array(UnreadEntry),
  nextCursor: z.string().optional(),
});
export type Unread = z.infer<typeof Unread>;

/**
 * A user’s state over all devices: the strongest counts, in the order `online`, `busy`, `away`. A device that misses
 * three heartbeats is `away`. Only the server sets `offline`.
 */
export const PresenceState = z.enum(['online', 'away', 'busy', 'offline']);
export type PresenceState = z.infer<typeof PresenceState>;
/** A user's presence. `lastSeenAt` is absent if they have never been online. */
export const Presence = z.object({ userId: Id, state: PresenceState, lastSeenAt: Time.optional() });
export type Presence = z.infer<typeof Presence>;

/** A page of a list. `nextCursor` is present if more items follow. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() });
