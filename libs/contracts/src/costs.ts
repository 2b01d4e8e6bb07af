import type { CallInput, CallName } from './calls.js';
import type { UserRate } from './limits.js';

/** What a call takes from its user's `calls`, where it is more than one. The work of a call sets its cost. */
const costs: Partial<Record<CallName, number>> = {
  'auth.password': 10,
  'bot.create': 5,
  'bot.token': 5,
  'user.list': 3,
  'contact.list': 2,
  'block.list': 2,
  'conversation.create': 2,
  'conversation.list': 3,
  'conversation.public': 3,
  'conversation.open': 3,
  'conversation.history': 2,
  'conversation.changes': 2,
  'conversation.members': 2,
  sync: 5,
  'message.search': 5,
  'message.pins': 2,
  'message.edits': 2,
  'drawing.get': 5,
  'presence.watch': 2,
};
/** What the handshake of a new connection takes from its user's `calls`. */
export const handshakeCost = 2;

type Charge = readonly [rate: Exclude<UserRate, 'calls'>, points: number];
/** The further rates that a call draws from. */
const charges: { readonly [N in CallName]?: (input: CallInput<N>) => readonly Charge[] } = {
  'message.send': () => [['messages', 1]],
  'message.edit': () => [['messages', 1]],
  'message.delete': () => [['messages', 1]],
  'reaction.add': () => [['messages', 1]],
  'reaction.remove': () => [['messages', 1]],
  'conversation.create': ({ memberIds = [] }) => [
    ['creations', 1],
    ['additions', memberIds.length],
  ],
  'member.add': () => [['additions', 1]],
  'message.search': () => [['searches', 1]],
};

/** What a call takes from its user's `calls`. */
export const costOf = (name: CallName): number => costs[name] ?? 1;

/** What a call draws from its user's rates besides `calls`. */
export const chargesOf = (name: CallName, input: unknown): readonly Charge[] =>
  (charges[name]?.(input as never) ?? []).filter(([, points]) => points > 0);
