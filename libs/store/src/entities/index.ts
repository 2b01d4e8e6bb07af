import {
  BotEntity,
  CredentialEntity,
  FormerUsernameEntity,
  RefreshTokenEntity,
  SessionEntity,
  SigningKeyEntity,
  UserEntity,
  WebhookPurgeEntity,
} from './auth.js';
import { BlockEntity, ContactEntity, ConversationEntity, WebhookDeliveryEntity, WebhookEntity } from './chat.js';

export * from './auth.js';
export * from './chat.js';

/** Every entity, for MikroORM. Tables without an entity are only reached by SQL: see ADR 27. */
export const entities = [
  UserEntity,
  CredentialEntity,
  FormerUsernameEntity,
  SessionEntity,
  RefreshTokenEntity,
  SigningKeyEntity,
  BotEntity,
  WebhookPurgeEntity,
  ConversationEntity,
  ContactEntity,
  BlockEntity,
  WebhookEntity,
  WebhookDeliveryEntity,
] as const;
