/** What users of the client see: its state, its events, its calls. */
import type {
  Attachment,
  CallArguments,
  CallOutput,
  Conversation,
  ErrorBody,
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
} from '@parley/contracts';
import type { ParleyError } from './errors.js';

/**
 * - `signed-out`: there is no session.
 * - `connecting`: for the first time since there is one.
 * - `online`: calls are answered, live events come.
 * - `offline`: the connection was lost, or cannot be had; the client goes on trying.
 */
export type ConnectionState = 'signed-out' | 'connecting' | 'online' | 'offline';

/** `queued`: waits for its turn or for a connection. `failed`: refused, with the reason in `local.error`; `retry` or `discard` it. The rest are the ticks of stored messages: everybody else has, or has read, it. */
export type MessageStatus = 'queued' | 'sending' | 'failed' | 'sent' | 'delivered' | 'read';

/** A message as it is shown. One's own that are not stored yet have `local`; their `id` is their `clientId`, their `seq` and `rev` are 0. Others' are always `sent`. */
export type ChatMessage = Message & {
  readonly status: MessageStatus;
  readonly local?: { readonly state: 'queued' | 'sending' | 'failed'; readonly error?: ErrorBody };
};

export interface Positions {
  readonly deliveredSeq: number;
  readonly readSeq: number;
}

/** One of the user's own conversations. */
export interface ConversationView {
  readonly conversation: Conversation;
  /** The other one of a direct conversation. Who that is appears in `state.users`. */
  readonly partnerId?: string;
  /** Exact, as the server counts it. */
  readonly unread: number;
  readonly mentions: number;
  readonly readSeq: number;
  /** The loaded window, ascending and without holes; one's own that are not stored yet come last. */
  readonly messages: readonly ChatMessage[];
  readonly hasBefore: boolean;
  readonly hasAfter: boolean;
  /** Of an opened conversation; of a large one, those that `loadMembers` loaded. */
  readonly members: ReadonlyMap<string, Member>;
  /** How far others have got, where that is known. */
  readonly receipts: ReadonlyMap<string, Positions>;
  /** Who types now. */
  readonly typing: readonly string[];
  readonly opened: boolean;
  /** As last known, out of the storage, and not opened since: its messages are there to be shown until the server answers. */
  readonly kept: boolean;
}

/** A snapshot. It never changes; what did not change is the same object in the next one. */
export interface ClientState {
  readonly connection: ConnectionState;
  readonly user?: Me;
  readonly sessionId?: string;
  readonly limits?: Limits;
  /** Ids of the user's conversations, most recently active first. */
  readonly order: readonly string[];
  readonly conversations: ReadonlyMap<string, ConversationView>;
  /** People who appeared as members or senders; filled by and by. */
  readonly users: ReadonlyMap<string, User>;
  /** Of those who are watched. */
  readonly presence: ReadonlyMap<string, Presence>;
  /** What is in the outbox, failed ones among them, by conversation: also of those that are not here, as after a start without a connection. */
  readonly pending: ReadonlyMap<string, readonly ChatMessage[]>;
  /** Messages in the outbox, failed ones not among them. */
  readonly pendingCount: number;
}

/** Everything that goes over the socket, for logs and debugging. It holds what people write. */
export interface Frame {
  readonly direction: 'in' | 'out' | 'answer';
  readonly event: string;
  readonly payload: unknown;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface ClientEvents {
  /** Somebody else's new message arrived, live or by catching up on a conversation that is open. */
  message: { readonly message: Message };
  /** The session or the connection was ended by the server. After all reasons but `too_many` the client is signed out; after `too_many` it stays offline until `connect()`. */
  revoked: { readonly reason: RevocationReason };
  connection: { readonly state: ConnectionState };
  /** Something went wrong that no call reports: storage, a refused receipt. */
  error: ParleyError;
  frame: Frame;
  /** Everything that the server tells, also what this client does not know. */
  server: { readonly event: string; readonly payload: unknown };
  'drawing:line': ServerEvent<'drawing:line'>;
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
  'drawing:reset': 'drawing.reset';
  'peer:signal': 'peer.signal';
}
export type SocketCall = keyof SocketCalls;
export type SocketInput<E extends SocketCall> = CallArguments<SocketCalls[E]>;
export type SocketOutput<E extends SocketCall> = CallOutput<SocketCalls[E]>;

/** What a new message is made of. A body or an attachment is needed, or `forwardOf` alone. */
export interface Draft {
  readonly body?: string;
  readonly type?: Exclude<MessageType, 'system'>;
  readonly attachmentIds?: readonly string[];
  readonly replyTo?: string;
  readonly forwardOf?: string;
}

export interface Sent {
  readonly clientId: string;
  /** As it is shown until it is stored. */
  readonly message: ChatMessage;
  /** Resolves when it is stored, however long that takes; rejects with a ParleyError when it is refused or discarded. Need not be awaited. */
  readonly stored: Promise<Message>;
}

export interface UploadOptions {
  /** Bytes that have arrived; `total` is unknown for streams. */
  readonly onProgress?: (sent: number, total: number | undefined) => void;
  /** Aborting cancels the upload, at the server too. */
  readonly signal?: AbortSignal;
  /** For what has no name of its own. */
  readonly name?: string;
}

export type {
  Attachment,
  Conversation,
  ErrorBody,
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
