import { Fleet } from '../fleet.js';
import { load, scaled, type Context, type Phase, type Place, type Scenario } from '../scenario.js';
import { seed } from '../seed.js';
import { cluster } from '../targets.js';
import { group, senders } from './room.js';
import { pairs } from './send.js';

const shapes = [
  [2, 1],
  [1, 2],
  [2, 2],
] as const;

/** A cluster of its own, saturated by pairs of users. */
function withShape(context: Context, gateways: number, messages: number): Phase {
  const start = async (): Promise<Place & { phase: Phase }> => {
    const [target, fleet] = [
      await cluster(context.servers, { ...context.options, gateways }, { messages }),
      new Fleet(1),
    ];
    context.after(async () => {
      fleet.stop();
      await target.stop();
    });
    const own = { ...context, target, fleet };
    return { target, fleet, phase: load(own, name, await pairs(own), { outstanding: 5 }) };
  };
  const name = `${gateways} × gateway, ${messages} × messages, saturated`;
  let started: ReturnType<typeof start> | undefined;
  const elsewhere = (): ReturnType<typeof start> => (started ??= start());
  return {
    ...load(context, name, [], { outstanding: 5 }),
    elsewhere,
    run: async (window) => (await elsewhere()).phase.run(window),
  };
}

/** More replicas; and the cost of a message with more members, more conversations and more stored messages. */
export const scale: Scenario = {
  peers: [],
  clusterOnly: true,
  generators: 1,
  async open(context) {
    const { target, fleet, size } = context;
    const { databaseUrl } = target;
    if (databaseUrl === undefined) throw new Error('it needs a Postgres');
    const users = await target.users(2 * scaled(1_000, size, 2));
    await fleet.open(
      target.urls,
      users.map(({ token }) => token),
    );
    const direct: string[] = [];
    for (let at = 0; at < users.length; at += 2)
      direct.push(
        (
          await fleet.ask<{ conversation: { id: string } }>(at, 'conversation:create', {
            kind: 'direct',
            memberIds: [users[at + 1]!.id],
          })
        ).conversation.id,
      );
    const calls = direct.flatMap((conversationId, pair) =>
      [2 * pair, 2 * pair + 1].map((client) => ({ client, event: 'message:send', payload: { conversationId } })),
    );
    const perSecond = scaled(200, Math.min(1, size), 10);
    const phases: Phase[] = [
      load(context, '1 × gateway, 1 × messages, saturated', calls.slice(0, 200), { outstanding: 5 }),
    ];
    for (const [gateways, messages] of shapes) phases.push(withShape(context, gateways, messages));
    for (const count of [10, 100, 1_000].map((wanted) => scaled(wanted, size, 1)))
      phases.push(load(context, `${count} conversations, ${perSecond}/s`, calls.slice(0, 2 * count), { perSecond }));
    for (const members of [10, 100, 500].map((wanted) => scaled(wanted, size, 3))) {
      const slow = scaled(20, Math.min(1, size), 5);
      phases.push(
        load(
          context,
          `a group of ${members}, ${slow}/s`,
          senders(await group(context, users, members), Math.min(10, members)),
          { perSecond: slow },
        ),
      );
    }
    let stored = 0;
    for (const wanted of [10_000, 100_000, 1_000_000].map((rows) => scaled(rows, size, 100))) {
      const phase = load(context, `${wanted} stored messages, ${perSecond}/s`, calls.slice(0, 200), { perSecond });
      phases.push({
        ...phase,
        run: async (window) => {
          // Once: the rows stay, so that all rounds are measured with the same number.
          if (stored < wanted)
            await seed(
              databaseUrl,
              direct.slice(0, 100),
              users[0]!.id,
              Math.ceil((wanted - stored) / Math.min(100, direct.length)),
            );
          stored = Math.max(stored, wanted);
          return phase.run(window);
        },
      });
    }
    return phases;
  },
};
