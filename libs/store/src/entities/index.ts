import {
  BotEntity,
  CredentialEntity,
  RefreshTokenEntity,
  SessionEntity,
  SigningKeyEntity,
  UserEntity,
} from './auth.js';
import {
  AttachmentEntity,
  BlockEntity,
  ContactEntity,
  ConversationEntity,
  DirectPairEntity,
  DrawingLineEntity,
  EpochEntity,
  MemberEntity,
  MessageAttachmentEntity,
  MessageEditEntity,
  MessageEntity,
  ReactionEntity,
  WebhookDeliveryEntity,
  WebhookEntity,
} from './chat.js';
import { CursorEntity, MessageTextEntity, PreferenceEntity, TextProgressEntity } from './history.js';

export * from './auth.js';
export * from './chat.js';
export * from './history.js';

/** Every entity, for MikroORM. */
export const entities = [
  UserEntity,
  CredentialEntity,
  SessionEntity,
  RefreshTokenEntity,
  SigningKeyEntity,
  BotEntity,
  ConversationEntity,
  DirectPairEntity,
  MemberEntity,
  MessageEntity,
  EpochEntity,
  ReactionEntity,
  MessageEditEntity,
  AttachmentEntity,
  MessageAttachmentEntity,
  DrawingLineEntity,
  ContactEntity,
  BlockEntity,
  WebhookEntity,
  WebhookDeliveryEntity,
  CursorEntity,
  PreferenceEntity,
  MessageTextEntity,
  TextProgressEntity,
] as const;
