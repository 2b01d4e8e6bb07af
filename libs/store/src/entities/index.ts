import { CredentialEntity, RefreshTokenEntity, SessionEntity, SigningKeyEntity, UserEntity } from './auth.js';
import { ConversationEntity, DirectPairEntity, EpochEntity, MemberEntity, MessageEntity } from './chat.js';
import { CursorEntity } from './history.js';

export * from './auth.js';
export * from './chat.js';
export * from './history.js';

/** Every entity, for MikroORM. */
export const entities = [
  UserEntity, CredentialEntity, SessionEntity, RefreshTokenEntity, SigningKeyEntity,
  ConversationEntity, DirectPairEntity, MemberEntity, MessageEntity, EpochEntity, CursorEntity,
] as const;
