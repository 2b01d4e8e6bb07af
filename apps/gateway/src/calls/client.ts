import type { Caller, User } from '@parley/contracts';
import type { LocalConnection } from '../connections/connection.js';

/** A verified session. */
export interface Session {
  readonly userId: string;
  readonly sessionId: string;
  readonly kind: User['kind'];
}

/** Who makes a call, as the edge knows them. */
export interface Client {
  readonly address: string;
  readonly session?: Session;
  /** Present when the call came over a socket. */
  readonly connection?: LocalConnection;
}

/** What services are told of a client. */
export const callerOf = ({ address, session, connection }: Client, requestId: string): Caller => ({
  requestId,
  address,
  ...session,
  ...(connection && { connectionId: connection.id }),
});
