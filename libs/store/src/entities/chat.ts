import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { at, checkedText, position } from './columns.js';

// The tables of the messages service that it uses as entities. Its other tables are only reached by SQL: see ADR 27.

/** A conversation: its description and its counters. */
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

/** A user in the contacts of another, in one direction. */
export const ContactEntity = defineEntity({
  name: 'Contact',
  schema: 'chat',
  tableName: 'contact',
  properties: { ownerId: p.uuid().primary(), userId: p.uuid().primary(), createdAt: at() },
});
export type ContactEntity = InferEntity<typeof ContactEntity>;

/** A user who is blocked by another, in one direction. */
export const BlockEntity = defineEntity({
  name: 'Block',
  schema: 'chat',
  tableName: 'block',
  properties: { blockerId: p.uuid().primary(), blockedId: p.uuid().primary(), createdAt: at() },
});
export type BlockEntity = InferEntity<typeof BlockEntity>;

/** A webhook of a conversation. `secret` signs its deliveries. */
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

/**
 * The delivery of one event to a webhook. Unique per webhook and `eventKey`, which is the same when an event is
 * repeated.
 */
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
