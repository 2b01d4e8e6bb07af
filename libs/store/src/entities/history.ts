import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { at, checkedText, position } from './columns.js';

/** How far a member has received and read a conversation. Written by the history service. */
export const CursorEntity = defineEntity({
  name: 'Cursor',
  schema: 'history',
  tableName: 'cursor',
  properties: {
    conversationId: p.uuid().primary(),
    userId: p.uuid().primary(),
    deliveredSeq: position(),
    readSeq: position(),
    deliveredAt: at().nullable(),
    readAt: at().nullable(),
    updatedAt: at(),
  },
});
export type CursorEntity = InferEntity<typeof CursorEntity>;

/** What a member set for themselves alone. */
export const PreferenceEntity = defineEntity({
  name: 'Preference',
  schema: 'history',
  tableName: 'preference',
  properties: {
    conversationId: p.uuid().primary(),
    userId: p.uuid().primary(),
    notifications: checkedText<'all' | 'mentions' | 'none'>().default('all'),
    unreadFrom: position().nullable(),
    updatedAt: at(),
  },
});
export type PreferenceEntity = InferEntity<typeof PreferenceEntity>;

/** What search looks in. */
export const MessageTextEntity = defineEntity({
  name: 'MessageText',
  schema: 'history',
  tableName: 'message_text',
  properties: {
    conversationId: p.uuid().primary(),
    seq: position().primary(),
    rev: position(),
    messageId: p.uuid(),
    senderId: p.uuid(),
    createdAt: at(),
    folded: p.text(),
    words: p.text().columnType('tsvector'),
  },
});
export type MessageTextEntity = InferEntity<typeof MessageTextEntity>;

/** How far search is known to be complete. */
export const TextProgressEntity = defineEntity({
  name: 'TextProgress',
  schema: 'history',
  tableName: 'text_progress',
  properties: { conversationId: p.uuid().primary(), rev: position() },
});
export type TextProgressEntity = InferEntity<typeof TextProgressEntity>;
