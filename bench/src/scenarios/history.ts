import pg from 'pg';
import type { Calls } from '../load.js';
import { answered, failures, load, scaled, type Column, type Phase, type Scenario } from '../scenario.js';
import { seed } from '../seed.js';
import { quantile } from '../stats.js';
import { query } from '../targets.js';

const PAGE = 50;
const bare: readonly Column[] = [
  { key: 'sqlP50', title: 'bare SQL p50 ms', digits: 2 },
  { key: 'timesSql', title: 'ack p50 ÷ bare SQL', digits: 2 },
];

/** Median milliseconds of a page's SQL alone, from this process. */
async function bareSql(databaseUrl: string, conversationId: string, before: number): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const ms: number[] = [];
  for (let n = 0; n < 200; n++) {
    const begun = performance.now();
    await client.query({
      name: 'page',
      text: 'select * from chat.message where conversation_id = $1 and seq < $2 order by seq desc limit $3',
      values: [conversationId, before, PAGE],
    });
    ms.push(performance.now() - begun);
  }
  await client.end();
  return quantile(
    ms.toSorted((a, b) => a - b),
    0.5,
  );
}

/** One client's reads, one call after another. */
export const history: Scenario = {
  peers: [],
  clusterOnly: true,
  generators: 1,
  async open(context) {
    const { target, fleet, size } = context;
    const { databaseUrl } = target;
    if (databaseUrl === undefined) throw new Error('it needs a Postgres');
    const [ann, bob] = (await target.users(2)) as [{ id: string; token: string }, { id: string; token: string }];
    await fleet.open(target.urls, [ann.token, bob.token]);
    const create = async (title: string): Promise<string> =>
      (
        await fleet.ask<{ conversation: { id: string } }>(0, 'conversation:create', {
          kind: 'group',
          title,
          memberIds: [bob.id],
        })
      ).conversation.id;
    const [many, few, conversations] = [
      scaled(1_000_000, size, 1_000),
      scaled(10_000, size, 100),
      scaled(1_000, size, 10),
    ];
    const [big, small] = [await create('big'), await create('small')];
    const others: string[] = [];
    while (others.length < conversations)
      others.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(10, conversations - others.length) }, (_, n) => create(`one of many ${n}`)),
        )),
      );
    await seed(databaseUrl, [big], bob.id, many, { searchable: true });
    await seed(databaseUrl, [small], bob.id, few, { searchable: true });
    await seed(databaseUrl, others, bob.id, 20);
    const revs = await query<{ id: string; rev: string }>(
      databaseUrl,
      'select id, rev from chat.conversation where id = any($1::uuid[])',
      [others],
    );
    const epoch = (await query<{ epoch: string }>(databaseUrl, 'select epoch from chat.epoch'))[0]!.epoch;
    const cursors = Object.fromEntries(
      revs.map(({ id, rev }, index) => [id, index % 10 === 0 ? Number(rev) - 5 : Number(rev)]),
    );
    const call = (event: string, payload: Record<string, unknown> = {}): Calls[] => [{ client: 0, event, payload }];
    const columns = [...answered, failures];
    const reading = (name: string, calls: Calls[]): Phase => load(context, name, calls, { outstanding: 1 }, columns);
    const page = (name: string, conversationId: string, before: number): Phase => {
      const phase = load(
        context,
        name,
        call('conversation:history', { conversationId, before, limit: PAGE }),
        { outstanding: 1 },
        [...columns, ...bare],
      );
      return {
        ...phase,
        run: async (window) => {
          const metrics = await phase.run(window);
          const sqlP50 = await bareSql(databaseUrl, conversationId, before);
          return { ...metrics, sqlP50, timesSql: metrics['ackP50']! / sqlP50 };
        },
      };
    };
    return [
      page(`a page of ${PAGE} amid ${few} messages`, small, Math.floor(few / 2) + PAGE),
      page(`a page of ${PAGE} amid ${many} messages`, big, Math.floor(many / 2) + PAGE),
      reading(`conversation:open of ${many} messages`, call('conversation:open', { conversationId: big })),
      reading(`sync of ${conversations} conversations, a tenth of them behind`, call('sync', { epoch, cursors })),
      reading(`GET /unread of ${conversations} conversations`, call('GET /unread')),
      reading(`search for a rare word in ${many + few} messages`, call('GET /search/messages?q=w4711')),
      reading('search for a word of every message', call('GET /search/messages?q=brown')),
    ];
  },
};
