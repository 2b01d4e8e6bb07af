import type { Calls } from '../load.js';
import { load, scaled, type Context, type Scenario } from '../scenario.js';

/** Pairs of users in direct conversations, each with one connection; all send and receive. */
export async function pairs({ target, fleet, size }: Context, count = 200): Promise<Calls[]> {
  const users = await target.users(2 * scaled(count / 2, size, 1));
  await fleet.open(
    target.urls,
    users.map(({ token }) => token),
  );
  const calls: Calls[] = [];
  for (let at = 0; at < users.length; at += 2) {
    const { conversation } = await fleet.ask<{ conversation: { id: string } }>(at, 'conversation:create', {
      kind: 'direct',
      memberIds: [users[at + 1]!.id],
    });
    for (const client of [at, at + 1])
      calls.push({ client, event: 'message:send', payload: { conversationId: conversation.id } });
  }
  return calls;
}

export const send: Scenario = {
  peers: ['naive', 'naive2', 'bare'],
  generators: 1,
  async open(context) {
    const calls = await pairs(context);
    return [
      ...[1, 5, 20].map((outstanding) => ({
        ...load(context, `saturated, ${outstanding} outstanding a sender`, calls, { outstanding }),
        beside: ['queue', 'insert'] as const,
      })),
      ...[200, 500, 1_000, 2_000]
        .map((rate) => scaled(rate, Math.min(1, context.size), 10))
        .map((perSecond) => ({
          ...load(context, `${perSecond}/s`, calls, { perSecond }),
          beside: ['hop', 'commit'] as const,
        })),
    ];
  },
};
