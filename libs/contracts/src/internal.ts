/** Requests, events and frames between services, carried by the broker. */
import { z } from 'zod';
import { calls, type Call, type CallName, type Service, type Via } from './calls.js';
import { serverEvents } from './events.js';
import {
  Attachment,
  Conversation,
  Id,
  Member,
  Message,
  Presence,
  PresenceState,
  Receipt,
  Time,
  User,
} from './shapes.js';
import { shardOf } from './ids.js';

/** The caller, as verified by the gateway. Services trust it; clients cannot set it. */
export const Caller = z.object({
  /** A new id for every request. After a redelivery, the service finds by it the rows that the request has created. */
  requestId: Id,
  /** The client's IP address as the gateway saw it. */
  address: z.string().optional(),
  userId: Id.optional(),
  sessionId: Id.optional(),
  kind: User.shape.kind.optional(),
  /** The person who made the caller; present for bots only. */
  ownerId: Id.optional(),
  connectionId: Id.optional(),
});
export type Caller = z.infer<typeof Caller>;

/** A caller whose session has been verified: handlers of calls with `auth: 'session'` get it. */
export type Actor = Caller & { userId: string; sessionId: string; kind: User['kind'] };

/** The users that a caller acts for: themselves, and the owner of a bot. Whoever blocks one of them is not reached. */
export const identitiesOf = ({ userId, ownerId }: Pick<Actor, 'userId' | 'ownerId'>): string[] =>
  ownerId === undefined ? [userId] : [userId, ownerId];

/** An attachment as the gateway stored it. `key` names its bytes in the file store. */
export const StoredAttachment = z.object({
  id: Id,
  key: z.string().max(200),
  name: z.string().max(255),
  mediaType: z.string().max(100),
  size: z.number().int(),
  width: z.number().int().optional(),
  height: z.number().int().optional(),
  durationMs: z.number().int().optional(),
});
export type StoredAttachment = z.infer<typeof StoredAttachment>;

/** The type and the addressee of tokens in links to files. Access tokens have others, so neither works as the other. */
export const fileToken = { typ: 'file+jwt', audience: 'parley-files' } as const;

/** A request between services: the service that answers it, the kind of its queue, and its schemas. */
export interface RequestDefinition<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly service: Service;
  readonly via: Exclude<Via, 'edge'>;
  readonly input: I;
  readonly output: O;
  /** For `via: 'shard'`: the id that determines the shard. */
  shardKey?(input: z.output<I>): string;
}
const request = <I extends z.ZodType, O extends z.ZodType>(definition: RequestDefinition<I, O>) => definition;

const byConversation = (input: { conversationId: string }): string => input.conversationId;

/** Requests between services. Clients' calls are in `calls.ts` and travel as `<call>.v1`. */
export const internalRequests = {
  /** The public keys (JWK set) that verify access tokens. */
  'auth.keys.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({}),
    output: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
  }),
  /**
   * The sessions that ended within the lifetime of an access token, for a gateway that may have missed
   * `session.revoked.v1`. `at`: the current time of the token issuer, in milliseconds since 1970.
   */
  'auth.revocations.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({}),
    output: z.object({ sessionIds: z.array(Id), at: z.number().optional() }),
  }),
  /** Signs the token of a link to an attachment, for a caller who may see it. It ends with the caller's session. */
  'auth.file-token.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ userId: Id, sessionId: Id, kind: User.shape.kind, attachmentId: Id }),
    output: z.object({ token: z.string(), expiresAt: z.string() }),
  }),
  /** Users by id, in no particular order; unknown ids are absent. At most 5,000 ids. */
  'users.known.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ userIds: z.array(Id).max(5000) }),
    output: z.object({ users: z.array(User) }),
  }),
  /** Users by username; unknown names are absent. At most 500 names, in lower case. */
  'users.named.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ usernames: z.array(z.string()).max(500) }),
    output: z.object({ users: z.array(User) }),
  }),
  /** The bot, its session and its owner. An unknown or revoked token is `unauthenticated`. */
  'auth.bot.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ token: z.string().max(500) }),
    output: z.object({ userId: Id, sessionId: Id, ownerId: Id.optional() }),
  }),
  /** Lifts an expired ban. Other bans stay unchanged. */
  'member.return.v1': request({
    service: 'messages',
    via: 'shard',
    input: z.object({ conversationId: Id, userId: Id }),
    output: z.object({}),
    shardKey: byConversation,
  }),
  /**
   * Checks that a user may store this many more bytes. Beyond their quota: `too_large`. With `id`, reserves them for an
   * upload: at least `bytes`, and as many as remain up to `upTo`. The answer has their number. They count as stored
   * until the attachment with this id is recorded, the reservation is released, or a day is over. Too many open
   * uploads: `rate_limited`. Repeating it changes nothing.
   */
  'attachment.admit.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({
      userId: Id,
      /** The owner of the user, a bot: their files count together. */
      ownerId: Id.optional(),
      bytes: z.number().int(),
      id: Id.optional(),
      upTo: z.number().int().optional(),
      /** The user is a guest, whose open uploads have a limit of their own. */
      isGuest: z.boolean().optional(),
    }),
    output: z.object({ reserved: z.number().int().optional() }),
  }),
  /** Ends the reservation of an upload that does not become an attachment. Does nothing when there is none. */
  'attachment.release.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, id: Id }),
    output: z.object({}),
  }),
  /**
   * Records an attachment whose bytes are stored, perhaps with its preview. Repeating it changes nothing. Beyond the
   * uploader's quota: `too_large`; the gateway then removes the bytes.
   */
  'attachment.record.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, stored: StoredAttachment, thumbnail: StoredAttachment.optional() }),
    output: z.object({ attachment: Attachment }),
  }),
  /**
   * Checks whether an image may become the user's avatar, without changing anything. `not_found`: another user uploaded
   * it, or its message was deleted. `unsupported_media`: it is not an image.
   */
  'attachment.publishable.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id }),
    output: z.object({}),
  }),
  /**
   * Makes an image the user's avatar, visible to everybody. Earlier avatars become as visible as their messages, or are
   * deleted. Without `attachmentId` the user has none any more. Errors as in `attachment.publishable.v1`.
   */
  'attachment.publish.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id.optional() }),
    output: z.object({}),
  }),
  /**
   * Marks attachments as dropped and returns them for deletion of their bytes: attachments not sent within a day, or
   * whose message was deleted. Dropped attachments are invisible, and are returned until `attachment.forget.v1`.
   */
  'attachment.sweep.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ limit: z.number().int().max(1000) }),
    output: z.object({ dropped: z.array(z.object({ id: Id, key: z.string() })) }),
  }),
  /** Reports that the bytes of these attachments have been deleted. */
  'attachment.forget.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ ids: z.array(Id).max(1000) }),
    output: z.object({}),
  }),
  /** Deletes the webhooks that a user made, or those made until `before`. Repeating it changes nothing. */
  'webhook.purge.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, before: Time.optional() }),
    output: z.object({}),
  }),
  /** An attachment and the key of its bytes, for a user who may see it. Otherwise: `not_found`. */
  'attachment.locate.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id }),
    output: z.object({ attachment: Attachment, key: z.string() }),
  }),
  /** Tells the members that a user types or stopped. Users who may not write can only report that they stopped. */
  'history.typing.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, ownerId: Id.optional(), connectionId: Id, conversationId: Id, active: z.boolean() }),
    output: z.object({}),
  }),
  /** The epoch of the database. */
  'history.epoch.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({}),
    output: z.object({ epoch: z.string() }),
  }),
  /** Whether a sender's message with this `clientId` is stored. A resend is answered even over the rate limit. */
  'history.sent.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ conversationId: Id, senderId: Id, clientId: z.string() }),
    output: z.object({ sent: z.boolean() }),
  }),
  /**
   * The users of `userIds` whose presence `userId` may see: users with a common conversation, mutual contacts, and
   * `userId` itself. `blocked`: those with a block in either direction; they are shown as offline.
   */
  'history.visible.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, userIds: z.array(Id).max(1000) }),
    output: z.object({ userIds: z.array(Id), blocked: z.array(Id).default([]) }),
  }),
  /**
   * Subscribes a gateway to users' presence, or unsubscribes it. Returns the current presence of the visible users.
   * `blocked`: those with a block in either direction. They are returned as offline, and the gateway must not forward
   * their presence to this watcher.
   */
  'presence.watching.v1': request({
    service: 'presence',
    via: 'query',
    input: z.object({ gatewayId: z.string(), userId: Id, add: z.array(Id), remove: z.array(Id) }),
    output: z.object({ presence: z.array(Presence), blocked: z.array(Id).optional() }),
  }),
} as const satisfies Record<string, RequestDefinition>;

type RelayedCall = { [N in CallName]: (typeof calls)[N]['via'] extends 'edge' ? never : N }[CallName];
type InternalName = keyof typeof internalRequests;
/**
 * The name of a request on the broker: a client’s call or an internal request, with its version, such as
 * `message.send.v1`.
 */
export type RequestName = `${RelayedCall}.v1` | InternalName;

type CallOf<N extends RequestName> = N extends `${infer C}.v1` ? (C extends RelayedCall ? C : never) : never;
type CallerOf<C extends RelayedCall> = (typeof calls)[C]['auth'] extends 'session' ? Actor : Caller;
/** A client's call travels as `{caller, input}`, an internal request as its own input. */
export type RequestPayload<N extends RequestName> = N extends InternalName
  ? z.output<(typeof internalRequests)[N]['input']>
  : { caller: CallerOf<CallOf<N>>; input: z.output<(typeof calls)[CallOf<N>]['input']> };
/** The answer to a request. Requesters do not validate it: services trust each other. */
export type RequestAnswer<N extends RequestName> = N extends InternalName
  ? z.output<(typeof internalRequests)[N]['output']>
  : z.output<(typeof calls)[CallOf<N>]['output']>;

/** How a request travels, for the broker. */
export interface RequestRoute {
  readonly service: Service;
  readonly via: Exclude<Via, 'edge'>;
  /** Validates incoming requests, so that a foreign or older publisher cannot break a service. */
  readonly payload: z.ZodType;
  /** For `via: 'shard'`: the id that determines the shard. */
  readonly shardKey: (payload: unknown) => string;
  /**
   * Whether requests of one turn to one queue may share a broker message. The request must be idempotent, and its
   * handler takes batches.
   */
  readonly together: boolean;
}

const together: ReadonlySet<string> = new Set<RequestName>([
  'message.send.v1',
  'receipt.delivered.v1',
  'receipt.read.v1',
]);

const relayed = Object.entries(calls as Record<string, Call>)
  .filter(([, { via }]) => via !== 'edge')
  .map(([name, definition]): [string, RequestRoute] => [
    `${name}.v1`,
    {
      service: definition.service as Service,
      via: definition.via as RequestRoute['via'],
      payload: z.object({
        caller: definition.auth === 'session' ? Caller.required({ userId: true, sessionId: true, kind: true }) : Caller,
        input: definition.input,
      }),
      shardKey: (payload) => {
        const { caller, input } = payload as { caller: Caller; input: unknown };
        return definition.shardKey ? definition.shardKey(input as never) : caller.requestId;
      },
      together: together.has(`${name}.v1`),
    },
  ]);
const internal = Object.entries(internalRequests as Record<string, RequestDefinition>).map(
  ([name, definition]): [string, RequestRoute] => [
    name,
    {
      service: definition.service,
      via: definition.via,
      payload: definition.input,
      shardKey: (payload) => definition.shardKey?.(payload as never) ?? '00',
      together: false,
    },
  ],
);

/** All requests between services by name: service, way and payload. */
export const requests = Object.freeze(Object.fromEntries([...relayed, ...internal])) as Readonly<
  Record<RequestName, RequestRoute>
>;

/**
 * Domain events, published to all subscribers: persistent, on the topic exchange `parley.events`, with their name as
 * routing key.
 */
export const domainEvents = {
  /**
   * By auth, after the commit. Gateways close the connections of these sessions. A gateway that may have missed one
   * asks with `auth.revocations.v1`.
   */
  'session.revoked.v1': z.object({
    userId: Id,
    sessionIds: z.array(Id),
    reason: serverEvents['session:revoked'].shape.reason,
  }),
  /** By auth: the new public profile of a user. Gateways tell it to the user's own connections. */
  'user.updated.v1': z.object({ user: User }),
  /** By messages: a new conversation, as non-members see it, and its first members. */
  'conversation.created.v1': z.object({ conversation: Conversation, memberIds: z.array(Id) }),
  /** By messages: the new description, as non-members see it. */
  'conversation.updated.v1': z.object({ conversation: Conversation }),
  /** By messages. History then drops what it stores about the conversation. */
  'conversation.deleted.v1': z.object({ conversationId: Id }),
  /** By messages: a member joined, changed or left, with the conversation’s `rev` of the change. */
  'member.changed.v1': z.union([
    z.object({ conversationId: Id, member: Member, rev: z.number().int() }),
    z.object({ conversationId: Id, userId: Id, left: z.literal(true), rev: z.number().int() }),
  ]),
  /** By messages, gathered for 25 ms after the commit. Messages of one conversation are in `seq` order. */
  'message.created.v1': z.object({ messages: z.array(Message).min(1) }),
  /** By messages: the new state of a message after an edit, a deletion, a reaction or a pin. */
  'message.updated.v1': z.object({ message: Message }),
  /** By messages. `blocked`: whether `blockerId` blocks `blockedId`, or has unblocked them. */
  'block.changed.v1': z.object({ blockerId: Id, blockedId: Id, blocked: z.boolean() }),
  /** By messages: `ownerId` has taken `userId` off their contacts, so neither may see the other's presence by that. */
  'contact.removed.v1': z.object({ ownerId: Id, userId: Id }),
  /** By history: the new positions of a member. */
  'receipt.updated.v1': z.object({ receipt: Receipt }),
  /** By presence, when the state changes. */
  'presence.changed.v1': z.object({ presence: Presence }),
  /** By gateways, for presence. `at`: milliseconds on the gateway’s clock, which order the events of one connection. */
  'connection.opened.v1': z.object({ gatewayId: z.string(), connectionId: Id, userId: Id, at: z.number() }),
  /** By gateways, for presence; like `connection.opened.v1`. */
  'connection.closed.v1': z.object({ gatewayId: z.string(), connectionId: Id, userId: Id, at: z.number() }),
  /**
   * Live connections, sent every `times.renewMs` in chunks. `beatAt`: the time of the client's last heartbeat; `state`:
   * the state it asked for. `at` and `beatAt` are milliseconds on the gateway's clock: only their difference counts.
   */
  'connections.renewed.v1': z.object({
    gatewayId: z.string(),
    at: z.number().optional(),
    connections: z.array(
      z.object({
        connectionId: Id,
        userId: Id,
        beatAt: z.number(),
        state: PresenceState.exclude(['offline']).optional(),
      }),
    ),
  }),
} as const satisfies Record<string, z.ZodType>;
/** The name of a domain event: a fact in the past tense, with its version, such as `message.created.v1`. */
export type DomainEventName = keyof typeof domainEvents;
/** The payload of a domain event. */
export type DomainEvent<N extends DomainEventName> = z.output<(typeof domainEvents)[N]>;

/**
 * A frame to one gateway, or to all gateways. Delivered at most once to each connection: a frame whose `id` has been
 * seen is dropped.
 */
export const PushFrame = z.discriminatedUnion('kind', [
  /** To every local connection of `users` except `except`. `traceparent`: the pushing span, if any. */
  z.object({
    kind: z.literal('users'),
    id: z.string().optional(),
    users: z.array(Id),
    except: Id.optional(),
    event: z.string(),
    payload: z.unknown(),
    traceparent: z.string().optional(),
  }),
  /** To the local connections that watch `userId`. */
  z.object({ kind: z.literal('watchers'), userId: Id, event: z.string(), payload: z.unknown() }),
  /** Closes one connection, after `session:revoked` with the reason. */
  z.object({ kind: z.literal('close'), connectionId: Id, reason: serverEvents['session:revoked'].shape.reason }),
]);
export type PushFrame = z.infer<typeof PushFrame>;

/**
 * The names of exchanges and queues on RabbitMQ. `libs/broker` declares them; they are here for tools and operators
 * too.
 */
export const names = Object.freeze({
  commands: 'parley.commands',
  events: 'parley.events',
  push: 'parley.push',
  replies: 'parley.replies',
  dead: 'parley.dead',
  shardQueue: (service: Service, shard: number) => `${service}.commands.${shard}`,
  commandQueue: (service: Service) => `${service}.commands`,
  queryQueue: (service: Service) => `${service}.queries`,
  eventQueue: (service: Service) => `${service}.events`,
  /** The queues of one process: for replies and, in gateways, for pushes and events. */
  replyQueue: (service: string, instance: string) => `replies.${service}.${instance}`,
  pushQueue: (instance: string) => `push.${instance}`,
});

/**
 * The name of the queue for a request. The requests of one conversation always have the same queue, as long as `shards`
 * stays the same.
 */
export function queueOf(name: RequestName, payload: unknown, shards: number): string {
  const { service, via, shardKey } = requests[name];
  if (via === 'shard') return names.shardQueue(service, shardOf(shardKey(payload), shards));
  return via === 'command' ? names.commandQueue(service) : names.queryQueue(service);
}
