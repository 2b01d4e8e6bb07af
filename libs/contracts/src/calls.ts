/**
 * All calls of clients, over sockets, HTTP or both: the single source of validation, routing, types and API documents.
 * A new call needs one entry here and one handler in its service.
 */
import { z } from 'zod';
import {
  Body,
  BotToken,
  Changes,
  clearable,
  Color,
  Conversation,
  ConversationKind,
  Cursor,
  Device,
  Drawing,
  Edit,
  Emoji,
  Found,
  Id,
  identifier,
  Limit,
  LineIds,
  limitedIds,
  ListedUser,
  Me,
  Member,
  Membership,
  MemberStatus,
  Message,
  MessagePage,
  MessageType,
  NewLine,
  Notification,
  Notifications,
  page,
  PageIds,
  PresenceIds,
  RelayedJson,
  Password,
  Policy,
  Position,
  Presence,
  PresenceState,
  Receipt,
  Role,
  Session,
  StoredEmoji,
  text,
  label,
  Time,
  Topic,
  Unread,
  User,
  Username,
  Visibility,
  Webhook,
  WebhookDelivery,
  WebhookEvent,
} from './shapes.js';
import { limitBounds, Limits } from './limits.js';
import { foldUsername } from './names.js';
import { hasVisibleText } from './invisible.js';
import { problemOfWebhookUrl } from './webhook-url.js';

/** The services that consume requests from the broker. The gateway is not one: it only sends requests. */
export type Service = 'auth' | 'messages' | 'history' | 'presence';

/**
 * How a call travels from the gateway to the service that handles it.
 * - `shard`: durable, to the shard queue of the id that `shardKey` returns; one replica at a time, in order. Without
 *   `shardKey`, the shard of the request's own id.
 * - `command`: durable, to the service's command queue, any replica.
 * - `query`: transient, dropped at its deadline. For reads, for repeatable writes (receipts), and for data that must
 *   not be on a disk (passwords).
 * - `edge`: the gateway handles it, with requests to services where needed.
 */
export type Via = 'shard' | 'command' | 'query' | 'edge';

/** How HTTP reaches a call. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** The path under `/api/v1`. `:name` parts become fields of the input, like those of body and query. */
  readonly path: string;
  /** Query parameters and how their text becomes a value. Other parameters are `invalid`. */
  readonly query?: Readonly<Record<string, 'text' | 'int' | 'list'>>;
  /** The success statuses. The first is the usual one; `statusOf` chooses among them. */
  readonly status: readonly [number, ...number[]];
  readonly statusOf?: (data: never) => number;
  /** The output field that HTTP returns as the whole body. Absent: the whole output. 204 has no body. */
  readonly bare?: string;
}

/** One call: its interfaces, its route, and the schemas of its input and output. */
export interface Call<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly summary: string;
  /**
   * `open`: a token is ignored. `optional`: the token may be absent; if present, it must be valid and identifies the
   * caller.
   */
  readonly auth: 'open' | 'optional' | 'session';
  readonly service: Service | 'gateway';
  readonly via: Via;
  readonly socket?: string;
  readonly http?: HttpRoute;
  readonly input: I;
  readonly output: O;
  shardKey?(input: z.output<I>): string;
}

/** Keeps the literal types of `auth` and `via`, on which the types of requests depend. */
const call = <I extends z.ZodType, O extends z.ZodType, const A extends Call['auth'], const V extends Via>(
  definition: Call<I, O> & { readonly auth: A; readonly via: V },
): Call<I, O> & { readonly auth: A; readonly via: V } => definition;
const route = <D = unknown>(
  method: HttpRoute['method'],
  path: string,
  status: number | readonly [number, ...number[]] = 200,
  more: { query?: HttpRoute['query']; bare?: string; statusOf?: (data: D) => number } = {},
): HttpRoute => ({ method, path, status: typeof status === 'number' ? [status] : status, ...more }) as HttpRoute;

const empty = z.strictObject({});
const list = { cursor: 'text', limit: 'int' } as const;
const listInput = { cursor: Cursor.optional(), limit: Limit.optional() };
const conversationId = { conversationId: Id };
const optionalName = label(100).optional();

const atMostOne = (value: { before?: unknown; after?: unknown; around?: unknown }) =>
  [value.before, value.after, value.around].filter((position) => position !== undefined).length <= 1;

const byConversation = (input: { conversationId: string }): string => input.conversationId;
/** A message's id carries the shard of its conversation. */
const byMessage = (input: { messageId: string }): string => input.messageId;
const ConversationAnswer = z.object({ conversation: Conversation });
const MessageAnswer = z.object({ message: Message });
const MemberAnswer = z.object({ member: Member });
const memberInput = { ...conversationId, userId: Id };
const personInput = z.strictObject({ userId: Id });
const messageInput = z.strictObject({ messageId: Id });
const reactionInput = z.strictObject({ messageId: Id, emoji: Emoji });
const WebhookUrl = text(1, 2000).superRefine((value, context) => {
  const message = problemOfWebhookUrl(value);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});
const WebhookEvents = z.array(WebhookEvent).min(1).max(WebhookEvent.options.length);

/** The answer to a receipt call. */
const ReceiptAnswer = z.object({ receipt: Receipt });
const receiptInput = z.strictObject({ ...conversationId, seq: Position });

/**
 * Every call by name: `<noun>.<verb>`, or one word. Names and shapes are part of the protocol: they may gain optional
 * fields and never lose or change one. `golden.spec.ts` checks that.
 */
export const calls = {
  // ── the server ────────────────────────────────────────────────────────────────────────────────────────────────
  'server.info': call({
    summary: 'The server’s version, protocol, kind of deployment and limits',
    auth: 'open',
    service: 'gateway',
    via: 'edge',
    http: route('GET', '/info'),
    input: empty,
    output: z.object({
      version: z.string(),
      protocol: z.literal(1),
      /** `embedded`: one process without servers; `standalone`: one process with servers; `cluster`: several processes. */
      mode: z.enum(['embedded', 'standalone', 'cluster']),
      limits: Limits,
    }),
  }),

  // ── auth ──────────────────────────────────────────────────────────────────────────────────────────────────────
  'auth.register': call({
    summary: 'Create an account; with a guest’s token and refresh token, the guest’s own account becomes a full one',
    auth: 'optional',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/register', 201),
    input: z.strictObject({
      username: Username,
      password: Password,
      /** Required with a guest's token: the current refresh token of that session, because an access token alone may be stolen. */
      refreshToken: text(1, 500).optional(),
      displayName: optionalName,
      deviceName: optionalName,
      email: z.email().max(320).optional(),
      firstName: optionalName,
      lastName: optionalName,
    }),
    output: Session,
  }),
  'auth.login': call({
    summary: 'Log in',
    auth: 'open',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/login', 200),
    // An impossible name or password is refused like a wrong one, so that the answer does not reveal the rules.
    input: z.strictObject({
      username: text(1, 200).overwrite(foldUsername),
      password: text(1, 1000),
      deviceName: optionalName,
    }),
    output: Session,
  }),
  'auth.guest': call({
    summary: 'Log in as a guest, without an account',
    auth: 'open',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/guest', 201),
    input: z.strictObject({ displayName: optionalName, deviceName: optionalName }),
    output: Session,
  }),
  'auth.refresh': call({
    summary: 'Exchange a refresh token; reusing the old one ends the session',
    auth: 'open',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/refresh', 200),
    input: z.strictObject({ refreshToken: text(1, 500) }),
    output: Session,
  }),
  'auth.logout': call({
    summary: 'End this session everywhere',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/logout', 204),
    input: empty,
    output: empty,
  }),
  'auth.sessions': call({
    summary: 'The caller’s devices',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('GET', '/auth/sessions', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(Device),
  }),
  'auth.end': call({
    summary: 'End one of the caller’s sessions',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('DELETE', '/auth/sessions/:sessionId', 204),
    input: z.strictObject({ sessionId: Id }),
    output: empty,
  }),
  'auth.password': call({
    summary: 'Change the password; ends every other session, and with `endBots` also the caller’s bots and webhooks',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('POST', '/auth/password', 204),
    input: z.strictObject({ current: text(1, 1000), next: Password, endBots: z.boolean().optional() }),
    output: empty,
  }),
  'user.me': call({
    summary: 'The caller',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('GET', '/users/me', 200, { bare: 'user' }),
    input: empty,
    output: z.object({ user: Me }),
  }),
  'user.update': call({
    summary:
      'Change the caller’s profile; `null` or an empty text takes picture, e-mail address, first and last name away',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('PATCH', '/users/me', 200, { bare: 'user' }),
    input: z.strictObject({
      displayName: optionalName,
      username: Username.optional(),
      avatarId: clearable(Id).optional(),
      email: clearable(z.email().max(320)).optional(),
      firstName: clearable(label(100)).optional(),
      lastName: clearable(label(100)).optional(),
    }),
    output: z.object({ user: Me }),
  }),
  'user.list': call({
    summary: 'Users by a part of their username or display name, or by `ids`; unknown ids are absent',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('GET', '/users', 200, { query: { query: 'text', ids: 'list', ...list } }),
    input: z
      .strictObject({ query: text(1, 100).optional(), ids: PageIds.optional(), ...listInput })
      .refine(
        ({ ids, query, cursor, limit }) => ids === undefined || (query ?? cursor ?? limit) === undefined,
        '`ids` stand alone',
      ),
    output: page(User),
  }),
  'user.get': call({
    summary: 'One user',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('GET', '/users/:userId', 200, { bare: 'user' }),
    input: z.strictObject({ userId: Id }),
    output: z.object({ user: User }),
  }),
  'contact.list': call({
    summary: 'The caller’s contacts',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/contacts', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(ListedUser),
  }),
  'contact.add': call({
    summary: 'Add a contact',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('PUT', '/contacts/:userId', 204),
    input: personInput,
    output: empty,
  }),
  'contact.remove': call({
    summary: 'Remove a contact',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('DELETE', '/contacts/:userId', 204),
    input: personInput,
    output: empty,
  }),
  'block.list': call({
    summary: 'The users that the caller blocks',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/blocks', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(ListedUser),
  }),
  'block.add': call({
    summary: 'Block a user: no direct messages either way, and no presence',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('PUT', '/blocks/:userId', 204),
    input: personInput,
    output: empty,
  }),
  'block.remove': call({
    summary: 'Unblock a user',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('DELETE', '/blocks/:userId', 204),
    input: personInput,
    output: empty,
  }),
  'bot.create': call({
    summary: 'Create a bot owned by the caller; its token does not expire and is shown once',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('POST', '/bots', 201),
    input: z.strictObject({ username: Username, displayName: optionalName }),
    output: BotToken,
  }),
  'bot.list': call({
    summary: 'The caller’s bots',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('GET', '/bots', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(User),
  }),
  'bot.token': call({
    summary: 'Replace a bot’s token; the old one becomes invalid',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('POST', '/bots/:userId/token', 201),
    input: personInput,
    output: BotToken,
  }),
  'bot.delete': call({
    summary: 'Delete a bot; its messages stay',
    auth: 'session',
    service: 'auth',
    via: 'query',
    http: route('DELETE', '/bots/:userId', 204),
    input: personInput,
    output: empty,
  }),

  // ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────
  'conversation.create': call({
    summary: 'Create a conversation; returns an existing direct one',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'conversation:create',
    http: route<{ created: boolean }>('POST', '/conversations', [201, 200], {
      bare: 'conversation',
      statusOf: (data) => (data.created ? 201 : 200),
    }),
    input: z.strictObject({
      kind: ConversationKind,
      visibility: Visibility.optional(),
      title: label(200).optional(),
      topic: Topic.optional(),
      color: Color.optional(),
      // The caller may be among them.
      memberIds: limitedIds(limitBounds.membersPerGroup.max).optional(),
      policy: Policy.optional(),
    }),
    output: z.object({ conversation: Conversation, created: z.boolean() }),
  }),
  'conversation.list': call({
    summary: 'The caller’s conversations, most recently active first',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(Conversation),
  }),
  'conversation.get': call({
    summary: 'One conversation',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId', 200, { bare: 'conversation' }),
    input: z.strictObject(conversationId),
    output: z.object({ conversation: Conversation }),
  }),
  'conversation.public': call({
    summary: 'The public conversations, by a part of their title; newest or most recently active first',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/public', 200, { query: { query: 'text', order: 'text', ...list } }),
    input: z.strictObject({
      query: text(1, 100).optional(),
      order: z.enum(['created', 'active']).optional(),
      ...listInput,
    }),
    output: page(Conversation),
  }),
  'room.get': call({
    summary: 'What a public conversation that admits guests is, for somebody who has its link and is not signed in',
    auth: 'open',
    service: 'history',
    via: 'query',
    http: route('GET', '/rooms/:conversationId', 200, { bare: 'room' }),
    input: z.strictObject(conversationId),
    output: z.object({
      room: Conversation.pick({ id: true, kind: true, title: true, topic: true, color: true, memberCount: true }),
    }),
  }),
  'conversation.update': call({
    summary:
      'Change title, topic, colour, visibility or policy; absent fields stay as they are, `null` or an empty text takes title, topic and colour away',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('PATCH', '/conversations/:conversationId', 200, { bare: 'conversation' }),
    input: z.strictObject({
      ...conversationId,
      title: clearable(label(200)).optional(),
      topic: clearable(Topic).optional(),
      color: clearable(Color).optional(),
      visibility: Visibility.optional(),
      policy: Policy.optional(),
    }),
    output: ConversationAnswer,
    shardKey: byConversation,
  }),
  'conversation.delete': call({
    summary: 'Delete a conversation for everybody',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('DELETE', '/conversations/:conversationId', 204),
    input: z.strictObject(conversationId),
    output: empty,
    shardKey: byConversation,
  }),
  'conversation.join': call({
    summary: 'Join a public conversation; joining again returns it unchanged',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'conversation:join',
    http: route('POST', '/conversations/:conversationId/join', 200, { bare: 'conversation' }),
    input: z.strictObject(conversationId),
    output: ConversationAnswer,
    shardKey: byConversation,
  }),
  'conversation.leave': call({
    summary: 'Leave a conversation',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'conversation:leave',
    http: route('POST', '/conversations/:conversationId/leave', 204),
    input: z.strictObject(conversationId),
    output: empty,
    shardKey: byConversation,
  }),
  'conversation.me': call({
    summary:
      'The caller’s own settings of a conversation: notifications, and the position from which messages are unread',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('PATCH', '/conversations/:conversationId/me', 200, { bare: 'me' }),
    input: z.strictObject({
      ...conversationId,
      notifications: Notifications.optional(),
      unreadFrom: Position.min(1).optional(),
    }),
    output: z.object({ me: Membership }),
  }),
  'member.add': call({
    summary: 'Add a member; an existing member is returned unchanged',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('PUT', '/conversations/:conversationId/members/:userId', 200, { bare: 'member' }),
    input: z.strictObject({ ...memberInput, role: Role.exclude(['creator']).optional() }),
    output: MemberAnswer,
    shardKey: byConversation,
  }),
  'member.update': call({
    summary: 'Change a member’s role, mute or ban; `role: creator` hands the conversation over',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('PATCH', '/conversations/:conversationId/members/:userId', 200, { bare: 'member' }),
    input: z.strictObject({
      ...memberInput,
      role: Role.optional(),
      status: MemberStatus.optional(),
      mutedUntil: Time.optional(),
      bannedUntil: Time.optional(),
    }),
    output: MemberAnswer,
    shardKey: byConversation,
  }),
  'member.remove': call({
    summary: 'Remove a member',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('DELETE', '/conversations/:conversationId/members/:userId', 204),
    input: z.strictObject(memberInput),
    output: empty,
    shardKey: byConversation,
  }),
  'conversation.open': call({
    summary: 'A conversation with its newest page, unread messages included',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'conversation:open',
    input: z.strictObject({ ...conversationId, limit: Limit.optional() }),
    output: z.object({ conversation: Conversation, messages: MessagePage, members: z.array(Member).optional() }),
  }),
  'conversation.history': call({
    summary: 'A page of messages by seq, ascending',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'conversation:history',
    http: route('GET', '/conversations/:conversationId/messages', 200, {
      query: { before: 'int', after: 'int', around: 'int', limit: 'int' },
    }),
    input: z
      .strictObject({
        ...conversationId,
        before: Position.optional(),
        after: Position.optional(),
        around: Position.optional(),
        limit: Limit.optional(),
      })
      .refine(atMostOne, { message: 'only one of before, after and around', path: ['before'] }),
    output: MessagePage,
  }),
  'conversation.members': call({
    summary: 'The members',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/members', 200, { query: list }),
    input: z.strictObject({ ...conversationId, ...listInput }),
    output: page(Member),
  }),
  'conversation.changes': call({
    summary: 'The changes after a rev, each message once in its current state',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/changes', 200, { query: { since: 'int', limit: 'int' } }),
    input: z.strictObject({ ...conversationId, since: Position, limit: Limit.optional() }),
    output: Changes,
  }),
  sync: call({
    summary: 'Catch up: all changes since the given cursors',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'sync',
    input: z.strictObject({
      epoch: identifier(100).optional(),
      cursors: z.record(Id, Position),
      cursor: Cursor.optional(),
    }),
    output: z.object({
      epoch: z.string(),
      changes: z.array(Changes.extend(conversationId)),
      added: z.array(Conversation),
      removed: z.array(Id),
      complete: z.boolean(),
      nextCursor: z.string().optional(),
    }),
  }),

  // ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────
  'attachment.link': call({
    summary: 'A link to an attachment’s bytes that works without a token for 5 minutes, for players and downloads',
    auth: 'session',
    service: 'gateway',
    via: 'edge',
    http: route('POST', '/attachments/:attachmentId/link', 201),
    input: z.strictObject({ attachmentId: Id }),
    output: z.object({ url: z.string(), expiresAt: z.string() }),
  }),

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────
  'message.send': call({
    summary: 'Send a message; stored before the answer, and once per clientId',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'message:send',
    http: route<{ duplicate: boolean }>('POST', '/conversations/:conversationId/messages', [201, 200], {
      statusOf: (data) => (data.duplicate ? 200 : 201),
    }),
    input: z
      .strictObject({
        ...conversationId,
        clientId: identifier(64),
        type: MessageType.exclude(['system']).default('text'),
        body: Body.default(''),
        attachmentIds: limitedIds(20).optional(),
        replyTo: Id.optional(),
        forwardOf: Id.optional(),
      })
      .refine(
        ({ forwardOf, body, attachmentIds, type }) =>
          forwardOf === undefined || (body === '' && attachmentIds === undefined && type === 'text'),
        { message: 'a forwarded message brings its own type, body and attachments', path: ['forwardOf'] },
      )
      .refine(
        (value) =>
          value.forwardOf !== undefined || hasVisibleText(value.body) || (value.attachmentIds?.length ?? 0) > 0,
        { message: 'a body or an attachment is needed', path: ['body'] },
      ),
    output: z.object({ message: Message, duplicate: z.boolean(), recipientOnline: z.boolean().optional() }),
    shardKey: byConversation,
  }),
  'message.edit': call({
    summary: 'Edit the body of the caller’s own message',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'message:edit',
    http: route('PATCH', '/messages/:messageId', 200, { bare: 'message' }),
    input: z.strictObject({ messageId: Id, body: Body.refine(hasVisibleText, 'must not be empty') }),
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'message.delete': call({
    summary: 'Delete a message; a tombstone stays',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'message:delete',
    http: route('DELETE', '/messages/:messageId', 200, { bare: 'message' }),
    input: messageInput,
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'message.edits': call({
    summary: 'The earlier bodies of a message, newest first; for the conversation’s creator and admins',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/messages/:messageId/edits', 200, { query: list }),
    input: z.strictObject({ messageId: Id, ...listInput }),
    output: page(Edit),
  }),
  'message.pin': call({
    summary: 'Pin a message',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('PUT', '/messages/:messageId/pin', 200, { bare: 'message' }),
    input: messageInput,
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'message.unpin': call({
    summary: 'Unpin a message',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    http: route('DELETE', '/messages/:messageId/pin', 200, { bare: 'message' }),
    input: messageInput,
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'message.pins': call({
    summary: 'The pinned messages, most recently pinned first',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/pins', 200, { query: list }),
    input: z.strictObject({ ...conversationId, ...listInput }),
    output: page(Message),
  }),
  'message.files': call({
    summary: 'The messages with files, newest first',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/files', 200, { query: list }),
    input: z.strictObject({ ...conversationId, ...listInput }),
    output: page(Message),
  }),
  'reaction.add': call({
    summary: 'React to a message',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'reaction:add',
    http: route('PUT', '/messages/:messageId/reactions/:emoji', 200, { bare: 'message' }),
    input: reactionInput,
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'reaction.remove': call({
    summary: 'Remove the caller’s own reaction',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'reaction:remove',
    http: route('DELETE', '/messages/:messageId/reactions/:emoji', 200, { bare: 'message' }),
    input: reactionInput.extend({ emoji: StoredEmoji }),
    output: MessageAnswer,
    shardKey: byMessage,
  }),
  'message.search': call({
    summary:
      'Messages that contain all words of `q`, or parts of words, newest first; only from the caller’s conversations',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/search/messages', 200, {
      query: { q: 'text', conversationId: 'text', senderId: 'text', ...list },
    }),
    input: z.strictObject({
      q: text(1, 200).refine((value) => value.trim() !== '', 'must not be empty'),
      conversationId: Id.optional(),
      senderId: Id.optional(),
      ...listInput,
    }),
    output: page(Found),
  }),
  'message.receipts': call({
    summary: 'The users who received and read a message',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/messages/:messageId/receipts', 200, { query: { cursor: 'text' } }),
    input: z.strictObject({ messageId: Id, cursor: Cursor.optional() }),
    output: z.object({
      delivered: z.array(z.object({ userId: Id, at: z.string() })),
      read: z.array(z.object({ userId: Id, at: z.string() })),
      nextCursor: z.string().optional(),
    }),
  }),
  'message.trace': call({
    summary:
      'The trace of the caller’s own message: times of receipt and commit, pushes to connections, receipts; unknown parts are absent',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/messages/:messageId/trace'),
    input: messageInput,
    output: z.object({
      messageId: Id,
      traceId: z.string().optional(),
      received: z.string(),
      committed: z.string().optional(),
      pushed: z.array(z.object({ userId: Id, connectionId: Id, at: z.string() })).optional(),
      delivered: z.array(z.object({ userId: Id, at: z.string() })),
      read: z.array(z.object({ userId: Id, at: z.string() })),
    }),
  }),

  // ── read state ────────────────────────────────────────────────────────────────────────────────────────────────
  'receipt.delivered': call({
    summary: 'Report messages up to seq as received',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'receipt:delivered',
    http: route('PUT', '/conversations/:conversationId/delivered', 200, { bare: 'receipt' }),
    input: receiptInput,
    output: ReceiptAnswer,
  }),
  'receipt.read': call({
    summary: 'Report messages up to seq as read',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'receipt:read',
    http: route('PUT', '/conversations/:conversationId/read', 200, { bare: 'receipt' }),
    input: receiptInput,
    output: ReceiptAnswer,
  }),
  'unread.list': call({
    summary: 'The unread counts, from one snapshot',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/unread', 200, { query: { cursor: 'text' } }),
    input: z.strictObject({ cursor: Cursor.optional() }),
    output: Unread,
  }),

  'notification.list': call({
    summary:
      'Mentions of the caller, replies to their messages and invitations, newest first; from the recent messages of their most recently active conversations',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/notifications', 200, { query: list }),
    input: z.strictObject(listInput),
    output: page(Notification),
  }),

  // ── typing, signalling, boards ─────────────────────────────────────────────────────────────────────────────────
  typing: call({
    summary: 'Report that the caller types or stopped; typing ends automatically unless repeated',
    auth: 'session',
    service: 'gateway',
    via: 'edge',
    socket: 'typing',
    input: z.strictObject({ ...conversationId, active: z.boolean() }),
    output: empty,
  }),
  'peer.signal': call({
    summary: 'WebRTC signalling to the other member of a direct conversation; never stored',
    auth: 'session',
    service: 'history',
    via: 'query',
    socket: 'peer:signal',
    input: z.strictObject({ to: Id, ...conversationId, data: RelayedJson }),
    output: z.object({ delivered: z.boolean() }),
  }),
  'drawing.draw': call({
    summary: 'Draw a line on the conversation’s board; a line with a known id stays as it is',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'drawing:draw',
    input: z.strictObject({ ...conversationId, line: NewLine }),
    output: empty,
    shardKey: byConversation,
  }),
  'drawing.change': call({
    summary: 'Change colour or width of the caller’s own lines on a board; other lines stay as they are',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'drawing:change',
    input: z
      .strictObject({
        ...conversationId,
        lineIds: LineIds,
        color: NewLine.shape.color.optional(),
        width: NewLine.shape.width.optional(),
      })
      .refine(({ color, width }) => (color ?? width) !== undefined, {
        message: 'a colour or a width is needed',
        path: ['color'],
      }),
    output: empty,
    shardKey: byConversation,
  }),
  'drawing.remove': call({
    summary: 'Take the caller’s own lines off a board; other lines stay',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'drawing:remove',
    input: z.strictObject({ ...conversationId, lineIds: LineIds }),
    output: empty,
    shardKey: byConversation,
  }),
  'drawing.reset': call({
    summary: 'Empty the board',
    auth: 'session',
    service: 'messages',
    via: 'shard',
    socket: 'drawing:reset',
    http: route('DELETE', '/conversations/:conversationId/drawing', 204),
    input: z.strictObject(conversationId),
    output: z.object({ rev: Position }),
    shardKey: byConversation,
  }),
  'drawing.get': call({
    summary: 'The lines on the board',
    auth: 'session',
    service: 'history',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/drawing', 200, { query: { cursor: 'text' } }),
    input: z.strictObject({ ...conversationId, cursor: Cursor.optional() }),
    output: Drawing,
  }),

  // ── webhooks ────────────────────────────────────────────────────────────────────────────────────────────────────
  'webhook.create': call({
    summary: 'Create a webhook for a conversation’s events; for its creator and admins',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('POST', '/conversations/:conversationId/webhooks', 201, { bare: 'webhook' }),
    input: z.strictObject({ ...conversationId, url: WebhookUrl, events: WebhookEvents.optional() }),
    output: z.object({ webhook: Webhook }),
  }),
  'webhook.list': call({
    summary: 'A conversation’s webhooks',
    auth: 'session',
    service: 'messages',
    via: 'query',
    http: route('GET', '/conversations/:conversationId/webhooks'),
    input: z.strictObject(conversationId),
    output: page(Webhook),
  }),
  'webhook.update': call({
    summary: 'Change, disable or enable a webhook',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('PATCH', '/webhooks/:webhookId', 200, { bare: 'webhook' }),
    input: z.strictObject({
      webhookId: Id,
      url: WebhookUrl.optional(),
      events: WebhookEvents.optional(),
      enabled: z.boolean().optional(),
    }),
    output: z.object({ webhook: Webhook }),
  }),
  'webhook.delete': call({
    summary: 'Remove a webhook',
    auth: 'session',
    service: 'messages',
    via: 'command',
    http: route('DELETE', '/webhooks/:webhookId', 204),
    input: z.strictObject({ webhookId: Id }),
    output: empty,
  }),
  'webhook.deliveries': call({
    summary: 'The deliveries of a webhook, newest first',
    auth: 'session',
    service: 'messages',
    via: 'query',
    http: route('GET', '/webhooks/:webhookId/deliveries', 200, { query: list }),
    input: z.strictObject({ webhookId: Id, ...listInput }),
    output: page(WebhookDelivery),
  }),

  // ── presence ──────────────────────────────────────────────────────────────────────────────────────────────────
  'presence.heartbeat': call({
    summary: 'Heartbeat; without `state` the state stays',
    auth: 'session',
    service: 'gateway',
    via: 'edge',
    socket: 'presence:heartbeat',
    input: z.strictObject({ state: PresenceState.exclude(['offline']).optional() }),
    output: z.object({ serverTime: z.string() }),
  }),
  'presence.watch': call({
    summary: 'Subscribe this connection to users’ presence',
    auth: 'session',
    service: 'gateway',
    via: 'edge',
    socket: 'presence:watch',
    input: z.strictObject({ userIds: limitedIds(limitBounds.presenceWatches.max) }),
    output: z.object({ presence: z.array(Presence) }),
  }),
  'presence.unwatch': call({
    summary: 'Unsubscribe from users’ presence',
    auth: 'session',
    service: 'gateway',
    via: 'edge',
    socket: 'presence:unwatch',
    input: z.strictObject({ userIds: limitedIds(limitBounds.presenceWatches.max) }),
    output: z.object({ presence: z.array(Presence) }),
  }),
  'presence.get': call({
    summary: 'The presence of some users',
    auth: 'session',
    service: 'presence',
    via: 'query',
    http: route('GET', '/presence', 200, { query: { userIds: 'list' } }),
    input: z.strictObject({ userIds: PresenceIds }),
    output: z.object({ items: z.array(Presence) }),
  }),
} as const satisfies Record<string, Call>;

/** The name of a call, such as `message.send`. */
export type CallName = keyof typeof calls;
/**
 * The arguments of a call after validation: defaults filled in, text trimmed and lower-cased where the schema says so.
 */
export type CallInput<N extends CallName> = z.output<(typeof calls)[N]['input']>;
/** The arguments of a call as a client writes them: fields with defaults may be left out. */
export type CallArguments<N extends CallName> = z.input<(typeof calls)[N]['input']>;
/** The data of a successful answer. Clients must ignore fields that they do not know. */
export type CallOutput<N extends CallName> = z.output<(typeof calls)[N]['output']>;
/** The names of all calls, in the order of {@link calls}. */
export const callNames = Object.keys(calls) as CallName[];
