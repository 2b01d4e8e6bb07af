/** The expected result of every call for every kind of caller. */
import { randomUUID } from 'node:crypto';
import { newId, type CallArguments, type CallName, type ErrorCode } from '@parley/contracts';
import type { ChatClient } from '@parley/testing';

/**
 * The caller's relation to a private group; `blocked` is a member of a direct conversation whose other member blocks them.
 */
export const actors = [
  'none',
  'stranger',
  'former',
  'banned',
  'muted',
  'blocked',
  'guest',
  'member',
  'admin',
  'creator',
] as const;
export type Actor = (typeof actors)[number];
export type Expected = ErrorCode | 'ok';

/** A group with one caller of each kind, or the direct conversation of `blocked`. */
export interface Place {
  readonly conversationId: string;
  /** A message by `member`; in the direct conversation by `blocked`. */
  readonly messageId: string;
  /** The file of a message. */
  readonly attachmentId: string;
  /** A user who is not a member; a plain member; the other member of the direct conversation. */
  readonly outsider: string;
  readonly victim: string;
  readonly peer: string;
  /** Created by the creator. */
  readonly webhookId: string;
}

export type Entry<N extends CallName = CallName> =
  /** A call that needs no token. */
  | { readonly kind: 'open'; input(someone: ChatClient): CallArguments<N> | Promise<CallArguments<N>> }
  /** A call about the caller alone, made by a person and by a guest. */
  | {
      readonly kind: 'own';
      readonly guest: Expected;
      input(who: ChatClient, other: ChatClient): CallArguments<N> | Promise<CallArguments<N>>;
    }
  /** A call about a conversation. `fresh`: each caller gets a new one. */
  | {
      readonly kind: 'place';
      readonly fresh: boolean;
      readonly expected: Readonly<Record<Exclude<Actor, 'none'>, Expected>>;
      input(place: Place): CallArguments<N>;
    };

const open = <N extends CallName>(
  input: (someone: ChatClient) => CallArguments<N> | Promise<CallArguments<N>>,
): Entry<N> => ({ kind: 'open', input });
const own = <N extends CallName>(
  input: (who: ChatClient, other: ChatClient) => CallArguments<N> | Promise<CallArguments<N>>,
  guest: Expected = 'ok',
): Entry<N> => ({ kind: 'own', guest, input });
type Columns = Record<Exclude<Actor, 'none'>, Expected>;
const place = <N extends CallName>(expected: Columns, input: (place: Place) => CallArguments<N>): Entry<N> => ({
  kind: 'place',
  fresh: false,
  expected,
  input,
});
const fresh = <N extends CallName>(expected: Columns, input: (place: Place) => CallArguments<N>): Entry<N> => ({
  kind: 'place',
  fresh: true,
  expected,
  input,
});

const outside = { stranger: 'not_found', former: 'not_found', banned: 'banned' } as const;
/** Allowed for members. */
const reads: Columns = {
  ...outside,
  muted: 'ok',
  blocked: 'ok',
  guest: 'ok',
  member: 'ok',
  admin: 'ok',
  creator: 'ok',
};
/** Allowed for members who are neither muted nor blocked. */
const writes: Columns = { ...reads, muted: 'muted', blocked: 'blocked' };
/** Allowed for creator and admins; for nobody in a direct conversation. */
const moderates: Columns = {
  ...outside,
  muted: 'forbidden',
  blocked: 'forbidden',
  guest: 'forbidden',
  member: 'forbidden',
  admin: 'ok',
  creator: 'ok',
};
/** As `moderates`, but allowed for both members of a direct conversation. */
const moderatesAlsoDirect: Columns = { ...moderates, blocked: 'ok' };

const conversation = ({ conversationId }: Place) => ({ conversationId });
const message = ({ messageId }: Place) => ({ messageId });
const hook = ({ webhookId }: Place) => ({ webhookId });
const nothing = () => ({});
const them = (_who: ChatClient, { user }: ChatClient) => ({ userId: user.id });
const name = () => `m${randomUUID().replaceAll('-', '').slice(0, 20)}`;
const ownBot = async (who: ChatClient, other: ChatClient) => {
  const owner = who.user.kind === 'guest' ? other : who;
  return { userId: (await owner.http('bot.create', { username: name() })).user.id };
};

export const matrix: { readonly [N in CallName]: Entry<N> } = {
  'server.info': open(nothing),

  'auth.register': open(() => ({ username: name(), password: 'correct horse battery' })),
  'auth.login': open(({ user }) => ({ username: user.username, password: 'correct horse battery' })),
  'auth.guest': open(nothing),
  'auth.refresh': open(({ session }) => ({ refreshToken: session.refreshToken })),
  'auth.logout': own(nothing),
  'auth.sessions': own(nothing),
  'auth.end': own(({ session }) => ({ sessionId: session.sessionId })),
  'auth.password': own(() => ({ current: 'correct horse battery', next: 'correct horse battery 2' }), 'forbidden'),
  'user.me': own(nothing),
  'user.update': own(() => ({ displayName: 'Somebody' })),
  'user.list': own(nothing),
  'user.get': own(them),
  'contact.list': own(nothing),
  'contact.add': own(them),
  'contact.remove': own(them),
  'block.list': own(nothing),
  'block.add': own(them),
  'block.remove': own(them),
  'bot.create': own(() => ({ username: name() }), 'forbidden'),
  'bot.list': own(nothing),
  'bot.token': own(ownBot, 'not_found'),
  'bot.delete': own(ownBot, 'not_found'),

  'conversation.create': own(() => ({ kind: 'channel', title: 'news' }), 'forbidden'),
  'conversation.list': own(nothing),
  'conversation.public': own(nothing),
  'room.get': open(async (someone) => ({
    conversationId: (await someone.http('conversation.create', { kind: 'group', visibility: 'public' })).conversation
      .id,
  })),
  'conversation.get': place(reads, conversation),
  'conversation.open': place(reads, conversation),
  'conversation.history': place(reads, conversation),
  'conversation.members': place(reads, conversation),
  'conversation.changes': place(reads, ({ conversationId }) => ({ conversationId, since: 0 })),
  'conversation.update': place(moderates, ({ conversationId }) => ({ conversationId, topic: 'the topic' })),
  'conversation.delete': fresh({ ...moderates, admin: 'forbidden' }, conversation),
  'conversation.join': place(reads, conversation),
  'conversation.leave': fresh({ ...reads, blocked: 'forbidden', creator: 'conflict' }, conversation),
  'conversation.me': place(reads, ({ conversationId }) => ({ conversationId, notifications: 'mentions' })),
  'member.add': fresh(moderates, ({ conversationId, outsider }) => ({ conversationId, userId: outsider })),
  'member.update': fresh(moderates, ({ conversationId, victim }) => ({
    conversationId,
    userId: victim,
    status: 'muted',
  })),
  'member.remove': fresh(moderates, ({ conversationId, victim }) => ({ conversationId, userId: victim })),
  sync: own(() => ({ cursors: {} })),

  'message.send': place(writes, ({ conversationId }) => ({ conversationId, clientId: randomUUID(), body: 'hello' })),
  'message.edit': place(
    { ...moderates, blocked: 'blocked', member: 'ok', admin: 'forbidden', creator: 'forbidden' },
    ({ messageId }) => ({ messageId, body: 'edited' }),
  ),
  'message.delete': fresh({ ...moderatesAlsoDirect, member: 'ok' }, message),
  'message.edits': place(moderatesAlsoDirect, message),
  'message.pin': place({ ...moderates, blocked: 'blocked' }, message),
  'message.unpin': place({ ...moderates, blocked: 'blocked' }, message),
  'message.pins': place(reads, conversation),
  'message.files': place(reads, conversation),
  'reaction.add': place(writes, ({ messageId }) => ({ messageId, emoji: '👍' })),
  'reaction.remove': place(writes, ({ messageId }) => ({ messageId, emoji: '👍' })),
  'message.search': place(reads, ({ conversationId }) => ({ conversationId, q: 'hello' })),
  'message.receipts': place(reads, message),
  'message.trace': place(
    { ...reads, muted: 'not_found', guest: 'not_found', admin: 'not_found', creator: 'not_found' },
    message,
  ),

  'receipt.delivered': place(reads, ({ conversationId }) => ({ conversationId, seq: 1 })),
  'receipt.read': place(reads, ({ conversationId }) => ({ conversationId, seq: 1 })),
  'unread.list': own(nothing),
  'notification.list': own(nothing),

  'attachment.link': place({ ...reads, banned: 'not_found' }, ({ attachmentId }) => ({ attachmentId })),

  typing: place(writes, ({ conversationId }) => ({ conversationId, active: true })),
  'peer.signal': place(
    { ...moderates, blocked: 'blocked', admin: 'forbidden', creator: 'forbidden' },
    ({ conversationId, peer }) => ({ conversationId, to: peer, data: { sdp: 'offer' } }),
  ),
  'drawing.draw': place(writes, ({ conversationId }) => ({
    conversationId,
    line: { id: newId(), color: '#123456', width: 2, points: [0, 0, 1, 1] },
  })),
  'drawing.change': place(writes, ({ conversationId }) => ({ conversationId, lineIds: ['l'], color: '#123456' })),
  'drawing.remove': place(writes, ({ conversationId }) => ({ conversationId, lineIds: ['l'] })),
  'drawing.reset': place(writes, conversation),
  'drawing.get': place(reads, conversation),

  'webhook.create': fresh(moderatesAlsoDirect, ({ conversationId }) => ({
    conversationId,
    url: 'https://hooks.example.org/parley',
  })),
  'webhook.list': place(moderatesAlsoDirect, conversation),
  'webhook.update': place(moderatesAlsoDirect, ({ webhookId }) => ({ webhookId, enabled: true })),
  'webhook.delete': fresh(moderatesAlsoDirect, hook),
  'webhook.deliveries': place(moderatesAlsoDirect, hook),

  'presence.heartbeat': own(nothing),
  'presence.watch': own((_who, { user }) => ({ userIds: [user.id] })),
  'presence.unwatch': own((_who, { user }) => ({ userIds: [user.id] })),
  'presence.get': own((_who, { user }) => ({ userIds: [user.id] })),
};
