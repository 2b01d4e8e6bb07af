import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import type { Attachment, Forwarded, Reaction } from '@parley/contracts';
import { at, checkedText, position } from './columns.js';

/** Tables of the messages service. Its hot paths use SQL; these describe the rows. */
export const ConversationEntity = defineEntity({
  name: 'Conversation',
  schema: 'chat',
  tableName: 'conversation',
  properties: {
    id: p.uuid().primary(),
    kind: checkedText<'direct' | 'group' | 'channel'>(),
    visibility: checkedText<'private' | 'public'>(),
    title: p.text().nullable(),
    topic: p.text().nullable(),
    color: p.text().nullable(),
    policy: p.json<Record<string, unknown>>().defaultRaw(`'{}'`),
    createdBy: p.uuid(),
    createdAt: at(),
    lastSeq: position().defaultRaw('0'),
    rev: position().defaultRaw('0'),
    conversationRev: position().defaultRaw('0'),
    membersRev: position().defaultRaw('0'),
    memberCount: p.integer().default(0),
    activeAt: at(),
    deletedAt: at().nullable(),
    /** `title` as searches compare it. */
    foldedTitle: p.text().nullable(),
    drawingRev: position().defaultRaw('0'),
  },
});
export type ConversationEntity = InferEntity<typeof ConversationEntity>;

export const DirectPairEntity = defineEntity({
  name: 'DirectPair',
  schema: 'chat',
  tableName: 'direct_pair',
  properties: { low: p.uuid().primary(), high: p.uuid().primary(), conversationId: p.uuid() },
});
export type DirectPairEntity = InferEntity<typeof DirectPairEntity>;

export const MemberEntity = defineEntity({
  name: 'Member',
  schema: 'chat',
  tableName: 'member',
  properties: {
    conversationId: p.uuid().primary(),
    userId: p.uuid().primary(),
    role: checkedText<'creator' | 'admin' | 'member'>(),
    status: checkedText<'active' | 'muted' | 'banned'>().default('active'),
    mutedUntil: at().nullable(),
    bannedUntil: at().nullable(),
    joinedAt: at(),
    baseSeq: position().defaultRaw('0'),
    rev: position(),
    leftAt: at().nullable(),
  },
});
export type MemberEntity = InferEntity<typeof MemberEntity>;

/** Partitioned by hash of the conversation. */
export const MessageEntity = defineEntity({
  name: 'Message',
  schema: 'chat',
  tableName: 'message',
  properties: {
    conversationId: p.uuid().primary(),
    seq: position().primary(),
    rev: position(),
    id: p.uuid(),
    senderId: p.uuid(),
    clientId: p.text(),
    type: p.text(),
    body: p.text(),
    replyTo: p.uuid().nullable(),
    mentions: p.array().columnType('uuid[]').defaultRaw(`'{}'`),
    system: p.json<{ kind: string; userId?: string; value?: string }>().nullable(),
    createdAt: at(),
    editedAt: at().nullable(),
    deletedAt: at().nullable(),
    attachments: p.json<Attachment[]>().nullable(),
    reactions: p.json<Reaction[]>().nullable(),
    forwardedFrom: p.json<Forwarded>().nullable(),
    pinnedAt: at().nullable(),
    pinnedBy: p.uuid().nullable(),
    traceId: p.uuid().nullable(),
  },
});
export type MessageEntity = InferEntity<typeof MessageEntity>;

export const ReactionEntity = defineEntity({
  name: 'Reaction',
  schema: 'chat',
  tableName: 'reaction',
  properties: {
    conversationId: p.uuid().primary(),
    messageId: p.uuid().primary(),
    emoji: p.text().primary(),
    userId: p.uuid().primary(),
    createdAt: at(),
  },
});
export type ReactionEntity = InferEntity<typeof ReactionEntity>;

export const MessageEditEntity = defineEntity({
  name: 'MessageEdit',
  schema: 'chat',
  tableName: 'message_edit',
  properties: {
    conversationId: p.uuid().primary(),
    messageId: p.uuid().primary(),
    rev: position().primary(),
    body: p.text(),
    editedAt: at(),
    requestId: p.uuid().nullable(),
  },
});
export type MessageEditEntity = InferEntity<typeof MessageEditEntity>;

export const AttachmentEntity = defineEntity({
  name: 'Attachment',
  schema: 'chat',
  tableName: 'attachment',
  properties: {
    id: p.uuid().primary(),
    uploaderId: p.uuid(),
    key: p.text().unique('attachment_key_key'),
    name: p.text(),
    mediaType: p.text(),
    size: position(),
    width: p.integer().nullable(),
    height: p.integer().nullable(),
    durationMs: p.integer().nullable(),
    thumbnailId: p.uuid().nullable(),
    thumbnailOf: p.uuid().nullable(),
    public: p.boolean().default(false),
    createdAt: at(),
    attachedAt: at().nullable(),
    droppedAt: at().nullable(),
  },
});
export type AttachmentEntity = InferEntity<typeof AttachmentEntity>;

export const MessageAttachmentEntity = defineEntity({
  name: 'MessageAttachment',
  schema: 'chat',
  tableName: 'message_attachment',
  properties: { attachmentId: p.uuid().primary(), messageId: p.uuid().primary(), conversationId: p.uuid() },
});
export type MessageAttachmentEntity = InferEntity<typeof MessageAttachmentEntity>;

export const DrawingLineEntity = defineEntity({
  name: 'DrawingLine',
  schema: 'chat',
  tableName: 'drawing_line',
  properties: {
    conversationId: p.uuid().primary(),
    id: p.text().primary(),
    n: position(),
    userId: p.uuid(),
    color: p.text(),
    width: p.float().columnType('real'),
    points: p.array().columnType('real[]'),
    createdAt: at(),
  },
});
export type DrawingLineEntity = InferEntity<typeof DrawingLineEntity>;

export const ContactEntity = defineEntity({
  name: 'Contact',
  schema: 'chat',
  tableName: 'contact',
  properties: { ownerId: p.uuid().primary(), userId: p.uuid().primary(), createdAt: at() },
});
export type ContactEntity = InferEntity<typeof ContactEntity>;

export const BlockEntity = defineEntity({
  name: 'Block',
  schema: 'chat',
  tableName: 'block',
  properties: { blockerId: p.uuid().primary(), blockedId: p.uuid().primary(), createdAt: at() },
});
export type BlockEntity = InferEntity<typeof BlockEntity>;

export const WebhookEntity = defineEntity({
  name: 'Webhook',
  schema: 'chat',
  tableName: 'webhook',
  properties: {
    id: p.uuid().primary(),
    conversationId: p.uuid(),
    url: p.text(),
    secret: p.text().lazy(),
    events: p.array().columnType('text[]'),
    createdBy: p.uuid(),
    createdAt: at(),
    failures: p.integer().default(0),
    disabledAt: at().nullable(),
  },
});
export type WebhookEntity = InferEntity<typeof WebhookEntity>;

export const WebhookDeliveryEntity = defineEntity({
  name: 'WebhookDelivery',
  schema: 'chat',
  tableName: 'webhook_delivery',
  properties: {
    id: p.uuid().primary(),
    webhookId: p.uuid(),
    event: p.text(),
    eventKey: p.text(),
    payload: p.json<Record<string, unknown>>(),
    state: checkedText<'waiting' | 'delivered' | 'dead'>().default('waiting'),
    attempts: p.integer().default(0),
    createdAt: at(),
    nextAttemptAt: at().nullable(),
    deliveredAt: at().nullable(),
    status: p.integer().nullable(),
    problem: p.text().nullable(),
  },
});
export type WebhookDeliveryEntity = InferEntity<typeof WebhookDeliveryEntity>;

export const EpochEntity = defineEntity({
  name: 'Epoch',
  schema: 'chat',
  tableName: 'epoch',
  properties: { single: p.boolean().primary().default(true), epoch: p.text() },
});
export type EpochEntity = InferEntity<typeof EpochEntity>;
