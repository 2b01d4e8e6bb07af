import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
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
    notifications: checkedText<'all' | 'mentions' | 'none'>().default('all'),
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
  },
});
export type MessageEntity = InferEntity<typeof MessageEntity>;

export const EpochEntity = defineEntity({
  name: 'Epoch',
  schema: 'chat',
  tableName: 'epoch',
  properties: { single: p.boolean().primary().default(true), epoch: p.text() },
});
export type EpochEntity = InferEntity<typeof EpochEntity>;
