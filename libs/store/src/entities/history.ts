import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { at, position } from './columns.js';

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
