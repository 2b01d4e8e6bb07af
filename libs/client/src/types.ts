/** The client's public types: its state, its events, its calls. */
import type {
  Attachment,
  CallArguments,
  CallOutput,
  Conversation,
  ErrorBody,
  IceServer,
  Limits,
  Me,
  Member,
  Message,
  MessageType,
  Presence,
  PresenceState,
  RevocationReason,
  ServerEvent,
  ServerEventName,
  User,
} from '#contracts';
import type { ParleyError } from './errors.js';

/**
 * - `signed-out`: there is no session.
 * - `connecting`: the first connection of the session is being opened.
 * - `online`: calls are answered, live events arrive.
 * - `offline`: the connection was lost or could not be opened. The client keeps trying.
 */
export type ConnectionState = 'signed-out' | 'connecting' | 'online' | 'offline';

/**
 * - `queued`: waits for its turn or for a connection.
 * - `sending`: on its way.
 * - `failed`: refused, with the reason in `local.error`. `retry` or `discard` it.
 * - `sent`: stored.
 * - `delivered`, `read`: everybody else has received it, or has read it.
 */
export type MessageStatus = 'queued' | 'sending' | 'failed' | 'sent' | 'delivered' | 'read';

/**
 * A message as it is shown. The user's own messages that are not stored yet have `local`, their `clientId` as `id`, and
 * 0 as `seq` and `rev`. Messages of others are always `sent`.
 */
export type ChatMessage = Message & {
  readonly status: MessageStatus;
  readonly local?: { readonly state: 'queued' | 'sending' | 'failed'; readonly error?: ErrorBody };
};

/** The positions of a member: everything up to `deliveredSeq` is received, up to `readSeq` read. */
export interface Positions {
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

/** One of the user's own conversations. */
export interface ConversationView {
  readonly conversation: Conversation;
  /** The other member of a direct conversation. The person is in `state.users` once loaded. */
  readonly partnerId?: string;
  /** Exactly the server's count. */
  readonly unread: number;
  readonly mentions: number;
  readonly readSeq: number;
  /** The `seq` of the first unread message. Undefined if nothing is unread, or if it is not loaded. */
  readonly firstUnread?: number;
  /** The loaded window, ascending and without gaps. The user's own messages that are not stored yet come last. */
  readonly messages: readonly ChatMessage[];
  readonly hasBefore: boolean;
  readonly hasAfter: boolean;
  /** The members of an opened conversation. Those of a large one need `loadMembers`. */
  readonly members: ReadonlyMap<string, Member>;
  /** Up to where members have received and read, as far as known. */
  readonly receipts: ReadonlyMap<string, Positions>;
  /** Users who are typing. */
  readonly typing: readonly string[];
  readonly opened: boolean;
  /**
   * The conversation comes from the storage and has not been opened since. Show its messages until the server answers.
   */
  readonly kept: boolean;
}

/** How the user is shown to others while a client of theirs is connected. */
export type Availability = Exclude<PresenceState, 'offline'>;

/** An immutable snapshot. A part that does not change is the same object in the next snapshot. */
export interface ClientState {
  readonly connection: ConnectionState;
  readonly user?: Me;
  readonly sessionId?: string;
  readonly limits?: Limits;
  /** Servers for connections between browsers, as `RTCPeerConnection` takes them. */
  readonly iceServers?: readonly IceServer[];
  /** How this user chose to be shown on this device. Undefined: never chosen, which is `online`. */
  readonly availability?: Availability;
  /**
   * Ids of the user's conversations, most recently active first. Without direct ones that somebody else began and
   * nobody has written in, unless they are open.
   */
  readonly order: readonly string[];
  readonly conversations: ReadonlyMap<string, ConversationView>;
  /** People who appeared as members or senders. They are loaded a moment later. */
  readonly users: ReadonlyMap<string, User>;
  /** The presence of watched users. */
  readonly presence: ReadonlyMap<string, Presence>;
  /**
   * The outbox by conversation, failed messages included. It also has conversations that `conversations` lacks, as
   * after a start without a connection.
   */
  readonly pending: ReadonlyMap<string, readonly ChatMessage[]>;
  /** Number of messages that wait in the outbox, without failed ones. */
  readonly pendingCount: number;
}

/** One packet of the socket, for logs and debugging. It contains what people write. */
export interface Frame {
  readonly direction: 'in' | 'out' | 'answer';
  readonly event: string;
  readonly payload: unknown;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The events of a client by name, with what listeners get. */
export interface ClientEvents {
  /** Somebody else's new message arrived: live, or by catching up on an open conversation. */
  message: { readonly message: Message };
  /**
   * The server ended the session, or for `too_many` only the connection. The client is then signed out, or for
   * `too_many` offline until `connect()`.
   */
  revoked: { readonly reason: RevocationReason };
  connection: { readonly state: ConnectionState };
  /** An error that no call reports: of the storage, of a refused receipt. */
  error: ParleyError;
  frame: Frame;
  /** Every event of the server, including those that this client does not know. */
  server: { readonly event: string; readonly payload: unknown };
  'drawing:line': ServerEvent<'drawing:line'>;
  'drawing:changed': ServerEvent<'drawing:changed'>;
  'drawing:removed': ServerEvent<'drawing:removed'>;
  'drawing:reset': ServerEvent<'drawing:reset'>;
  'peer:signal': ServerEvent<'peer:signal'>;
}

/** The calls that go over the socket, by their event. */
export interface SocketCalls {
  'message:send': 'message.send';
  'message:edit': 'message.edit';
  'message:delete': 'message.delete';
  'reaction:add': 'reaction.add';
  'reaction:remove': 'reaction.remove';
  'receipt:delivered': 'receipt.delivered';
  'receipt:read': 'receipt.read';
  'conversation:open': 'conversation.open';
  'conversation:history': 'conversation.history';
  'conversation:create': 'conversation.create';
  'conversation:join': 'conversation.join';
  'conversation:leave': 'conversation.leave';
  sync: 'sync';
  typing: 'typing';
  'presence:heartbeat': 'presence.heartbeat';
  'presence:watch': 'presence.watch';
  'presence:unwatch': 'presence.unwatch';
  'drawing:draw': 'drawing.draw';
  'drawing:change': 'drawing.change';
  'drawing:remove': 'drawing.remove';
  'drawing:reset': 'drawing.reset';
  'peer:signal': 'peer.signal';
}
/** The name of a call over the socket, as in `message:send`. */
export type SocketCall = keyof SocketCalls;
/** The arguments of a call over the socket. Fields with defaults may be left out. */
export type SocketInput<E extends SocketCall> = CallArguments<SocketCalls[E]>;
/** The data that answers a call over the socket. */
export type SocketOutput<E extends SocketCall> = CallOutput<SocketCalls[E]>;

/** A new message. It needs a body or an attachment, or `forwardOf` alone. */
export interface Draft {
  readonly body?: string;
  readonly type?: Exclude<MessageType, 'system'>;
  readonly attachmentIds?: readonly string[];
  /**
   * Uploaded files as a whole, instead of `attachmentIds`: the message shows them until it is stored, also those that
   * were uploaded before a reload.
   */
  readonly attachments?: readonly Attachment[];
  readonly replyTo?: string;
  readonly forwardOf?: string;
}

/** A message that was put into the outbox. */
export interface Sent {
  readonly clientId: string;
  /** The message as it is shown until it is stored. */
  readonly message: ChatMessage;
  /**
   * Resolves when the message is stored, however long that takes. Rejects with a ParleyError when it is refused or
   * discarded. Need not be awaited.
   */
  readonly stored: Promise<Message>;
}

/** The behaviour of a load while the server is busy or unavailable. */
export interface LoadOptions {
  /**
   * Whether temporary failures are retried, with backoff, until the load succeeds, `signal` aborts, or another failure
   * makes it reject. Default: false, the load rejects with the first failure.
   */
  readonly retry?: boolean;
  /** Ends the retries: the load rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with each temporary failure that is going to be retried. */
  readonly onRetry?: (error: ParleyError) => void;
}

/** Optional arguments of an upload. */
export interface UploadOptions {
  /** Called with the number of bytes that have arrived. `total` is unknown for streams. */
  readonly onProgress?: (sent: number, total: number | undefined) => void;
  /** Aborting cancels the upload, at the server too. */
  readonly signal?: AbortSignal;
  /** The file's name. Default: the name of a `File`, else `file`. */
  readonly name?: string;
}

export type {
  Attachment,
  Conversation,
  ErrorBody,
  IceServer,
  Limits,
  Me,
  Member,
  Message,
  MessageType,
  Presence,
  RevocationReason,
  ServerEvent,
  ServerEventName,
  User,
};
