import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import { at, checkedText } from './columns.js';

// The tables of the auth service. Migrations create the schema; a test compares both.

/** A user: person, guest or bot. */
export const UserEntity = defineEntity({
  name: 'User',
  schema: 'auth',
  tableName: 'user',
  properties: {
    id: p.uuid().primary(),
    username: p.text().unique('user_username_key'),
    /**
     * What the username looks like, the same for confusable ones. Null for a user of an earlier version whose name
     * looks like an older user's.
     */
    skeleton: p.text().nullable().unique('user_skeleton_key'),
    /**
     * The skeleton without separators. Null for a user of an earlier version whose name differs from an older user's by
     * separators only.
     */
    bareSkeleton: p.text().nullable().unique('user_bare_skeleton_key'),
    displayName: p.text(),
    /** `displayName` as searches compare it: see `foldName`. */
    foldedName: p.text().default(''),
    avatarId: p.uuid().nullable(),
    kind: checkedText<'person' | 'guest' | 'bot'>(),
    email: p.text().nullable(),
    firstName: p.text().nullable(),
    lastName: p.text().nullable(),
    createdAt: at().defaultRaw('now()'),
  },
});
export type UserEntity = InferEntity<typeof UserEntity>;

/** The last holder of a username that nobody has, by username. */
export const FormerUsernameEntity = defineEntity({
  name: 'FormerUsername',
  schema: 'auth',
  tableName: 'former_username',
  properties: {
    username: p.text().primary(),
    skeleton: p.text(),
    /** Absent when an earlier version gave the name up, during an upgrade. */
    bareSkeleton: p.text().nullable(),
    userId: p.uuid(),
    givenUpAt: at().defaultRaw('now()'),
  },
});
export type FormerUsernameEntity = InferEntity<typeof FormerUsernameEntity>;

/** The password hash of a person. Guests and bots have none. */
export const CredentialEntity = defineEntity({
  name: 'Credential',
  schema: 'auth',
  tableName: 'credential',
  properties: { userId: p.uuid().primary(), passwordHash: p.text().lazy(), changedAt: at().defaultRaw('now()') },
});
export type CredentialEntity = InferEntity<typeof CredentialEntity>;

/** A login of one device. Ended sessions stay, with `endedAt`, until they are deleted. */
export const SessionEntity = defineEntity({
  name: 'Session',
  schema: 'auth',
  tableName: 'session',
  properties: {
    id: p.uuid().primary(),
    userId: p.uuid(),
    deviceName: p.text().nullable(),
    address: p.text().nullable(),
    createdAt: at().defaultRaw('now()'),
    lastSeenAt: at().defaultRaw('now()'),
    expiresAt: at(),
    endedAt: at().nullable(),
    endedReason: p.text().nullable(),
  },
});
export type SessionEntity = InferEntity<typeof SessionEntity>;

/** The hash of a refresh token. A spent token stays, so that its second use is recognised. */
export const RefreshTokenEntity = defineEntity({
  name: 'RefreshToken',
  schema: 'auth',
  tableName: 'refresh_token',
  properties: {
    hash: p.blob().primary(),
    sessionId: p.uuid(),
    createdAt: at().defaultRaw('now()'),
    spentAt: at().nullable(),
  },
});
export type RefreshTokenEntity = InferEntity<typeof RefreshTokenEntity>;

/**
 * A key pair that signs access tokens. A retired key signs no more, and is published until the tokens that it signed
 * have expired.
 */
export const SigningKeyEntity = defineEntity({
  name: 'SigningKey',
  schema: 'auth',
  tableName: 'signing_key',
  properties: {
    kid: p.text().primary(),
    /** As it is, or encrypted: `{ encrypted }`. */
    privateJwk: p.json<Record<string, unknown>>().lazy(),
    publicJwk: p.json<Record<string, unknown>>(),
    createdAt: at().defaultRaw('now()'),
    retiredAt: at().nullable(),
  },
});
export type SigningKeyEntity = InferEntity<typeof SigningKeyEntity>;

/** A bot: its owner, and the hash of its current token. */
export const BotEntity = defineEntity({
  name: 'Bot',
  schema: 'auth',
  tableName: 'bot',
  properties: {
    userId: p.uuid().primary(),
    ownerId: p.uuid(),
    sessionId: p.uuid(),
    tokenHash: p.blob().unique('bot_token_hash_key'),
    createdAt: at().defaultRaw('now()'),
    deletedAt: at().nullable(),
  },
});
export type BotEntity = InferEntity<typeof BotEntity>;

/** A user who changed the password and ended bots and webhooks: webhooks that were made until then have to be deleted. */
export const WebhookPurgeEntity = defineEntity({
  name: 'WebhookPurge',
  schema: 'auth',
  tableName: 'webhook_purge',
  properties: { userId: p.uuid().primary(), requestedAt: at() },
});
export type WebhookPurgeEntity = InferEntity<typeof WebhookPurgeEntity>;
