import type { Calls } from '../load.js';
import { answered, failures, load, received, scaled, type Context, type Phase, type Scenario } from '../scenario.js';
import type { User } from '../targets.js';

const columns = [...received, ...answered, failures];

/** One group with all members connected. */
export async function group({ target, fleet }: Context, users: readonly User[], members: number): Promise<string> {
  const memberIds = users.slice(1, members).map(({ id }) => id);
  const { conversation } = await fleet.ask<{ conversation: { id: string } }>(0, 'conversation:create', {
    kind: 'group',
    title: `${members} at ${target.name}`,
    memberIds,
  });
  return conversation.id;
}

export const senders = (conversationId: string, count: number): Calls[] =>
  Array.from({ length: count }, (_, client) => ({ client, event: 'message:send', payload: { conversationId } }));

/** Groups with all members connected, of which some write as fast as possible. */
async function rooms(
  context: Context,
  sizes: readonly number[],
  writers: number,
  outstanding: number,
): Promise<Phase[]> {
  const { target, fleet, size } = context;
  const counts = sizes.map((count) => scaled(count, size, 4));
  const users = await target.users(Math.max(...counts));
  await fleet.open(
    target.urls,
    users.map(({ token }) => token),
  );
  const phases: Phase[] = [];
  for (const members of counts) {
    const calls = senders(await group(context, users, members), Math.min(writers, members));
    phases.push(
      load(
        context,
        `a group of ${members}, ${calls.length} of them write`,
        calls,
        { outstanding },
        columns,
        'deliveries',
      ),
    );
  }
  return phases;
}

export const room: Scenario = {
  peers: ['naive', 'naive2', 'bare'],
  generators: 2,
  open: (context) => rooms(context, [100, 1_000], 20, 2),
};

/** Deliveries of one gateway: few messages, many recipients. */
export const fanout: Scenario = { peers: ['bare'], generators: 2, open: (context) => rooms(context, [50, 500], 4, 4) };
