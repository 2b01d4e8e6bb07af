/** What the parts of Parley say to each other through the broker. */
import { z } from 'zod';
import { calls, type Call, type CallName, type Service, type Via } from './calls.js';
import { serverEvents } from './events.js';
import { Attachment, Conversation, Id, Member, Message, Presence, PresenceState, Receipt, User } from './shapes.js';
import { shardOf } from './ids.js';

/** Who asks, as the gateway established it. Services trust it; clients can't write it. */
export const Caller = z.object({
  /** A new id for every request: conversations and messages that it creates are found again under it after a redelivery. */
  requestId: Id,
  /** The client's address as the edge saw it. */
  address: z.string().optional(),
  userId: Id.optional(),
  sessionId: Id.optional(),
  kind: User.shape.kind.optional(),
  connectionId: Id.optional(),
});
export type Caller = z.infer<typeof Caller>;

/** A caller whose session was verified; handlers of calls with `auth: 'session'` get this. */
export type Actor = Caller & { userId: string; sessionId: string; kind: User['kind'] };

/** An attachment as the gateway stored it: `key` names its bytes in the file store. */
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

export interface RequestDefinition<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly service: Service;
  readonly via: Exclude<Via, 'edge'>;
  readonly input: I;
  readonly output: O;
  /** For `via: 'shard'`: the id whose shard it belongs to. */
  shardKey?(input: z.output<I>): string;
}
const request = <I extends z.ZodType, O extends z.ZodType>(definition: RequestDefinition<I, O>) => definition;

const byConversation = (input: { conversationId: string }): string => input.conversationId;

/** Requests that no client makes; clients' calls are in `calls.ts` and travel as `<call>.v1`. */
export const internalRequests = {
  /** The public keys (JWK set) that verify access tokens. */
  'auth.keys.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({}),
    output: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
  }),
  /** Sessions ended within the lifetime of an access token: what a gateway loads when it may have missed `session.revoked.v1`. `at`: the time by which tokens are issued, in milliseconds since 1970. */
  'auth.revocations.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({}),
    output: z.object({ sessionIds: z.array(Id), at: z.number().optional() }),
  }),
  /** Those of the given ids that exist, in no particular order. At most 5,000. */
  'users.known.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ userIds: z.array(Id).max(5000) }),
    output: z.object({ users: z.array(User) }),
  }),
  /** Whom usernames belong to; those of nobody are absent. At most 500 names, in lower case. */
  'users.named.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ usernames: z.array(z.string()).max(500) }),
    output: z.object({ users: z.array(User) }),
  }),
  /** Whose a bot's token is. Refuses one that is unknown or revoked with `unauthenticated`. */
  'auth.bot.v1': request({
    service: 'auth',
    via: 'query',
    input: z.object({ token: z.string().max(500) }),
    output: z.object({ userId: Id, sessionId: Id }),
  }),
  /** Lifts a ban whose time is over. What is not over, or lifted already, stays as it is. */
  'member.return.v1': request({
    service: 'messages',
    via: 'shard',
    input: z.object({ conversationId: Id, userId: Id }),
    output: z.object({}),
    shardKey: byConversation,
  }),
  /** Whether a user may store so many bytes more. Refuses with `too_large` what is over their quota. */
  'attachment.admit.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, bytes: z.number().int() }),
    output: z.object({}),
  }),
  /**
   * Records an attachment whose bytes are stored, perhaps with its preview. Repeating it changes nothing. Refuses with `too_large` what is over the uploader's quota; the
   * bytes are the gateway's to remove then.
   */
  'attachment.record.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, stored: StoredAttachment, thumbnail: StoredAttachment.optional() }),
    output: z.object({ attachment: Attachment }),
  }),
  /**
   * Whether an image may become the user's profile picture: refuses with `not_found` what is not theirs, or was sent and is on no message any more; with `unsupported_media` what is
   * no image. Changes nothing.
   */
  'attachment.publishable.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id }),
    output: z.object({}),
  }),
  /** Makes an image the user's profile picture, which everybody sees, and the only one: earlier ones are seen as their messages are, or go. Refuses as `attachment.publishable.v1` does. */
  'attachment.publish.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id }),
    output: z.object({}),
  }),
  /** Takes attachments whose bytes can go: never sent within a day, or of no message any more. Nobody sees them from then on; those that were taken before are answered again. */
  'attachment.sweep.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ limit: z.number().int().max(1000) }),
    output: z.object({ dropped: z.array(z.object({ id: Id, key: z.string() })) }),
  }),
  /** The bytes of these are gone. */
  'attachment.forget.v1': request({
    service: 'messages',
    via: 'query',
    input: z.object({ ids: z.array(Id).max(1000) }),
    output: z.object({}),
  }),
  /** An attachment and where its bytes lie, for somebody who may see it; others are refused with `not_found`. */
  'attachment.locate.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, attachmentId: Id }),
    output: z.object({ attachment: Attachment, key: z.string() }),
  }),
  /** Tells the members that somebody types, or stopped. Refuses whoever may not write there, unless it is to say that they stopped. */
  'history.typing.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, connectionId: Id, conversationId: Id, active: z.boolean() }),
    output: z.object({}),
  }),
  /** The database's epoch. */
  'history.epoch.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({}),
    output: z.object({ epoch: z.string() }),
  }),
  /** Whether a sender's message with this clientId is stored already: a resend is answered whatever limit came since. */
  'history.sent.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ conversationId: Id, senderId: Id, clientId: z.string() }),
    output: z.object({ sent: z.boolean() }),
  }),
  /**
   * Those of `userIds` whose presence `userId` may see: who shares a conversation with them, their contacts, and themselves. `blocked`: those of these where one of the two
   * blocks the other: they show as offline.
   */
  'history.visible.v1': request({
    service: 'history',
    via: 'query',
    input: z.object({ userId: Id, userIds: z.array(Id).max(1000) }),
    output: z.object({ userIds: z.array(Id), blocked: z.array(Id).default([]) }),
  }),
  /**
   * Adds (or removes) a gateway's interest in users' presence; answers the visible ones' present state. `blocked`: those of them with whom there is a block; they are answered as offline, and the watcher
   * must not be told what else the gateway hears of them.
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
export type RequestName = `${RelayedCall}.v1` | InternalName;

type CallOf<N extends RequestName> = N extends `${infer C}.v1` ? (C extends RelayedCall ? C : never) : never;
type CallerOf<C extends RelayedCall> = (typeof calls)[C]['auth'] extends 'session' ? Actor : Caller;
/** A relayed call travels as `{caller, input}`; an internal request as its own input. */
export type RequestPayload<N extends RequestName> = N extends InternalName
  ? z.output<(typeof internalRequests)[N]['input']>
  : { caller: CallerOf<CallOf<N>>; input: z.output<(typeof calls)[CallOf<N>]['input']> };
export type RequestAnswer<N extends RequestName> = N extends InternalName
  ? z.output<(typeof internalRequests)[N]['output']>
  : z.output<(typeof calls)[CallOf<N>]['output']>;

export interface RequestRoute {
  readonly service: Service;
  readonly via: Exclude<Via, 'edge'>;
  /** Checks what arrives in a service, so that a foreign or older publisher cannot break it. */
  readonly payload: z.ZodType;
  /** For `via: 'shard'`: the id whose shard the request belongs to. */
  readonly shardKey: (payload: unknown) => string;
  /** Frequent ones, whose handler takes many at once: those of one moment to one queue may travel in one message. Repeating such a request must do nothing but answer it again. */
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

/** Every request between parts: who serves it, how it travels, what it carries. */
export const requests = Object.freeze(Object.fromEntries([...relayed, ...internal])) as Readonly<
  Record<RequestName, RequestRoute>
>;

/** What happened, published to whoever wants to know. Topic `parley.events`, routing key = name. Persistent. */
export const domainEvents = {
  'session.revoked.v1': z.object({
    userId: Id,
    sessionIds: z.array(Id),
    reason: serverEvents['session:revoked'].shape.reason,
  }),
  'user.updated.v1': z.object({ user: User }),
  'conversation.created.v1': z.object({ conversation: Conversation, memberIds: z.array(Id) }),
  'conversation.updated.v1': z.object({ conversation: Conversation }),
  'conversation.deleted.v1': z.object({ conversationId: Id }),
  'member.changed.v1': z.union([
    z.object({ conversationId: Id, member: Member, rev: z.number().int() }),
    z.object({ conversationId: Id, userId: Id, left: z.literal(true), rev: z.number().int() }),
  ]),
  /** Messages that were stored together; those of one conversation in the order of their `seq`. */
  'message.created.v1': z.object({ messages: z.array(Message).min(1) }),
  /** An edit, a deletion, a reaction or a pin; the message as it is after that. */
  'message.updated.v1': z.object({ message: Message }),
  /** One of the two blocks the other, or does so no more. */
  'block.changed.v1': z.object({ blockerId: Id, blockedId: Id, blocked: z.boolean() }),
  'receipt.updated.v1': z.object({ receipt: Receipt }),
  'presence.changed.v1': z.object({ presence: Presence }),
  /** From gateways to presence. `at` is milliseconds on the gateway's clock and orders one connection's events. */
  'connection.opened.v1': z.object({ gatewayId: z.string(), connectionId: Id, userId: Id, at: z.number() }),
  'connection.closed.v1': z.object({ gatewayId: z.string(), connectionId: Id, userId: Id, at: z.number() }),
  /**
   * Every `times.renewMs`, in chunks: these connections live; a heartbeat of their client came at `beatAt`, with the state it wants.
   * `at` and `beatAt` are milliseconds on the gateway's clock: only their difference counts.
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
export type DomainEventName = keyof typeof domainEvents;
export type DomainEvent<N extends DomainEventName> = z.output<(typeof domainEvents)[N]>;

/** A frame to one gateway, or to all of them. At most once per connection: a frame whose `id` was seen is dropped. */
export const PushFrame = z.discriminatedUnion('kind', [
  /** To every local connection of `users`, but not to the connection `except`. `traceparent`: the span that pushes it, where there is one. */
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
  /** Ends one connection, after `session:revoked` with the reason. */
  z.object({ kind: z.literal('close'), connectionId: Id, reason: serverEvents['session:revoked'].shape.reason }),
]);
export type PushFrame = z.infer<typeof PushFrame>;

/** Names on the broker. The whole topology is in libs/broker; the names are here so that tools and operators find them. */
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
  /** A process's own queues: answers; and, at gateways, pushes and events together. */
  replyQueue: (service: string, instance: string) => `replies.${service}.${instance}`,
  pushQueue: (instance: string) => `push.${instance}`,
});

/** The queue that a request goes to. */
export function queueOf(name: RequestName, payload: unknown, shards: number): string {
  const { service, via, shardKey } = requests[name];
  if (via === 'shard') return names.shardQueue(service, shardOf(shardKey(payload), shards));
  return via === 'command' ? names.commandQueue(service) : names.queryQueue(service);
}
