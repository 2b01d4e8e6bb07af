import type {
  Attachment,
  Conversation,
  Forwarded,
  Line,
  Member,
  Membership,
  Message,
  Policy,
  Reaction,
  SystemNote,
} from '@parley/contracts';
import type { Row } from '@parley/store';

/** A timestamp: a Date as the driver returns it, or text when the row came inside `to_jsonb(…)`. */
export type Moment = Date | string;
/** A timestamp as clients see it: ISO-8601, UTC, with milliseconds. */
export const iso = (moment: Moment): string => new Date(moment).toISOString();

/** The columns of `chat.message` that make a message: see {@link messageColumns}. */
export interface MessageRow extends Row {
  id: string;
  conversation_id: string;
  seq: number;
  rev: number;
  sender_id: string;
  client_id: string;
  type: string;
  body: string;
  reply_to: string | null;
  mentions: string[];
  system: SystemNote | null;
  created_at: Moment;
  edited_at: Moment | null;
  deleted_at: Moment | null;
  attachments: Attachment[] | null;
  reactions: Reaction[] | null;
  forwarded_from: Forwarded | null;
  pinned_at: Moment | null;
}
/** SQL: the columns of a {@link MessageRow}, given an alias of `chat.message`. */
export const messageColumns = (alias: string): string =>
  [
    'id',
    'conversation_id',
    'seq',
    'rev',
    'sender_id',
    'client_id',
    'type',
    'body',
    'reply_to',
    'mentions',
    'system',
    'created_at',
    'edited_at',
    'deleted_at',
    'attachments',
    'reactions',
    'forwarded_from',
    'pinned_at',
  ]
    .map((column) => `${alias}.${column}`)
    .join(', ');

/**
 * The message as clients see it. A deleted message is a tombstone without body, attachments, reactions and pin.
 * Reactions lack `mine`: see `withOwnReactions`.
 */
export function toMessage(row: MessageRow): Message {
  const alive = row.deleted_at === null;
  const message: Message = {
    id: row.id,
    conversationId: row.conversation_id,
    seq: row.seq,
    rev: row.rev,
    senderId: row.sender_id,
    clientId: row.client_id,
    type: row.type as Message['type'],
    body: alive ? row.body : '',
    attachments: (alive && row.attachments) || [],
    mentions: alive ? row.mentions : [],
    createdAt: iso(row.created_at),
    reactions: (alive && row.reactions) || [],
  };
  if (row.reply_to !== null) message.replyTo = row.reply_to;
  if (row.edited_at !== null) message.editedAt = iso(row.edited_at);
  if (row.deleted_at !== null) message.deletedAt = iso(row.deleted_at);
  if (alive && row.forwarded_from !== null) message.forwardedFrom = row.forwarded_from;
  if (alive && row.pinned_at !== null) message.pinnedAt = iso(row.pinned_at);
  if (row.system !== null) message.system = row.system;
  return message;
}

/** The columns of `chat.attachment` that make an attachment: see {@link attachmentColumns}. */
export interface AttachmentRow extends Row {
  id: string;
  key: string;
  name: string;
  media_type: string;
  size: number;
  width: number | null;
  height: number | null;
  duration_ms: number | null;
  thumbnail_id: string | null;
}
/** SQL: the columns of an {@link AttachmentRow}, given an alias of `chat.attachment`. */
export const attachmentColumns = (alias: string): string =>
  ['id', 'key', 'name', 'media_type', 'size', 'width', 'height', 'duration_ms', 'thumbnail_id']
    .map((column) => `${alias}.${column}`)
    .join(', ');

/** The attachment as clients see it. The `key` of its bytes stays on the server. */
export function toAttachment(row: AttachmentRow): Attachment {
  const attachment: Attachment = {
    id: row.id,
    name: row.name,
    mediaType: row.media_type,
    size: row.size,
    url: `/api/v1/attachments/${row.id}`,
  };
  if (row.width !== null) attachment.width = row.width;
  if (row.height !== null) attachment.height = row.height;
  if (row.duration_ms !== null) attachment.durationMs = row.duration_ms;
  if (row.thumbnail_id !== null) attachment.thumbnailId = row.thumbnail_id;
  return attachment;
}

/** The columns of `chat.conversation` that make a description: see {@link conversationColumns}. */
export interface ConversationRow extends Row {
  id: string;
  kind: string;
  visibility: string;
  title: string | null;
  topic: string | null;
  color: string | null;
  policy: Policy;
  created_by: string;
  created_at: Moment;
  last_seq: number;
  rev: number;
  member_count: number;
  /** Present when {@link memberIdsColumn} was selected. Null unless the conversation is direct. */
  member_ids?: string[] | null;
}
/** SQL: the columns of a {@link ConversationRow}, given an alias of `chat.conversation`. */
export const conversationColumns = (alias: string): string =>
  [
    'id',
    'kind',
    'visibility',
    'title',
    'topic',
    'color',
    'policy',
    'created_by',
    'created_at',
    'last_seq',
    'rev',
    'member_count',
  ]
    .map((column) => `${alias}.${column}`)
    .join(', ');

/**
 * SQL: the two users of a direct conversation, which never change; null for other kinds. `alias` is of
 * `chat.conversation`.
 */
export const memberIdsColumn = (alias: string): string =>
  `(select array_agg(d.user_id order by d.user_id) from chat.member d where ${alias}.kind = 'direct' and d.conversation_id = ${alias}.id) as member_ids`;

/**
 * The conversation as clients see it. `me` and `lastMessage` are only for members: without them it is the public
 * description.
 */
export function toConversation(row: ConversationRow, me?: Membership, lastMessage?: Message): Conversation {
  const conversation: Conversation = {
    id: row.id,
    kind: row.kind as Conversation['kind'],
    visibility: row.visibility as Conversation['visibility'],
    createdBy: row.created_by,
    createdAt: iso(row.created_at),
    lastSeq: row.last_seq,
    rev: row.rev,
    memberCount: row.member_count,
    policy: row.policy,
  };
  if (row.member_ids) conversation.memberIds = row.member_ids;
  if (row.title !== null) conversation.title = row.title;
  if (row.topic !== null) conversation.topic = row.topic;
  if (row.color !== null) conversation.color = row.color;
  if (me) conversation.me = me;
  if (lastMessage) conversation.lastMessage = lastMessage;
  return conversation;
}

/** The columns that make a member: see {@link memberColumns}. `status` is the current one. */
export interface MemberRow extends Row {
  user_id: string;
  role: string;
  status: string;
  muted_until: Moment | null;
  banned_until: Moment | null;
  joined_at: Moment;
  read_seq: number;
  delivered_seq: number;
}
/** The member as other members see them. A mute or ban that has ended is not mentioned. */
export function toMember(row: MemberRow): Member {
  const member: Member = {
    userId: row.user_id,
    role: row.role as Member['role'],
    status: row.status as Member['status'],
    joinedAt: iso(row.joined_at),
    readSeq: row.read_seq,
    deliveredSeq: row.delivered_seq,
  };
  if (row.status === 'muted' && row.muted_until !== null) member.mutedUntil = iso(row.muted_until);
  if (row.status === 'banned' && row.banned_until !== null) member.bannedUntil = iso(row.banned_until);
  return member;
}

/** The columns that make a user’s own membership: see {@link membershipColumns}. */
export interface MembershipRow extends Row {
  role: string;
  status: string;
  muted_until: Moment | null;
  notifications: string;
  read_seq: number;
  delivered_seq: number;
  unread: number;
  mentions: number;
  unread_from: number | null;
}
/** The membership as its user sees it, with unread counts and private settings. */
export function toMembership(row: MembershipRow): Membership {
  const me: Membership = {
    role: row.role as Membership['role'],
    status: row.status as Membership['status'],
    readSeq: row.read_seq,
    deliveredSeq: row.delivered_seq,
    unread: row.unread,
    mentions: row.mentions,
    notifications: row.notifications as Membership['notifications'],
  };
  if (row.status === 'muted' && row.muted_until !== null) me.mutedUntil = iso(row.muted_until);
  if (row.unread_from !== null) me.unreadFrom = row.unread_from;
  return me;
}

/** A row of `chat.drawing_line`. */
export interface LineRow extends Row {
  conversation_id: string;
  id: string;
  user_id: string;
  color: string;
  width: number;
  points: number[];
  created_at: Moment;
}
/** SQL: the columns of a {@link LineRow} of `chat.drawing_line`. */
export const lineColumns = 'conversation_id, id, user_id, color, width, points, created_at';

/** The line as clients see it. */
export const toLine = ({ id, user_id, color, width, points, created_at }: LineRow): Line => ({
  id,
  userId: user_id,
  color,
  width,
  points,
  createdAt: iso(created_at),
});
