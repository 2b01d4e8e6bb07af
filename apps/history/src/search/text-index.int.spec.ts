import { newId } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { Chat } from '../spec/chat.js';
import { Service } from '../spec/service.js';
import { PRESENT, STORE } from './text-index.js';

/** A node of a plan as Postgres explains it. */
interface Node {
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}
/** The number of rows of `chat.message` that the plan read. */
const messagesRead = ({ Plans = [], ...node }: Node): number =>
  (/^message_\d+$/.test(node['Relation Name'] ?? '')
    ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    : 0) + Plans.reduce((sum, plan) => sum + messagesRead(plan), 0);

const indexesOfMessages = ({ Plans = [], ...node }: Node): string[] => [
  ...(/^message_\d+$/.test(node['Relation Name'] ?? '') ? [node['Index Name'] ?? 'none'] : []),
  ...Plans.flatMap(indexesOfMessages),
];

describe.each(engines(inject('servers').databaseUrl, 'history'))('the index of search on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  it.each([
    {
      name: 'present',
      statement: PRESENT,
      types: 'uuid[], bigint[]',
      none: `'{}', '{}'`,
      one: (id: string) => `'{${id}}', '{500}'`,
    },
    {
      name: 'store',
      statement: STORE,
      types: 'uuid[], bigint[], bigint[], text[], text[]',
      none: `'{}', '{}', '{}', '{}', '{}'`,
      one: (id: string) => `'{${id}}', '{500}', '{500}', '{hello}', '{hello}'`,
    },
  ])(
    'looks up messages ($name) even with a plan that was made when there were none',
    async ({ name, statement, types, none, one }) => {
      const anna = newId();
      const conversation = await new Chat(on.engine.owner).conversation([anna]);
      const plan = await on.engine.owner.transaction(async (sql) => {
        await sql.query('set local plan_cache_mode = force_generic_plan');
        await sql.query(`prepare ${name} (${types}) as ${statement}`);
        await sql.query(`execute ${name} (${none})`);
        await sql.query(
          `insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, created_at)
         select $1, n, n, gen_random_uuid(), $2, n::text, 'text', 'hello ' || n, now() from generate_series(2, 3000) n`,
          [conversation, anna],
        );
        const [row] = await sql.query<{ 'QUERY PLAN': { Plan: Node }[] }>(
          `explain (analyze, format json) execute ${name} (${one(conversation)})`,
        );
        await sql.query(`deallocate ${name}`);
        return row!['QUERY PLAN'][0]!.Plan;
      });
      // Every other index would read the whole conversation, as entries if not as rows.
      const indexes = indexesOfMessages(plan);
      expect(indexes.length).toBeGreaterThan(0);
      expect(indexes.filter((index) => !/^message_\d+_pkey$/.test(index))).toEqual([]);
    },
  );

  it('reads no table whole', async () => {
    const chat = new Chat(on.engine.owner);
    const anna = newId();
    const ids = await Promise.all(range(30).map(() => chat.conversation([anna])));
    await on.engine.owner.query(
      `insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, created_at)
       select c, n, n, gen_random_uuid(), $2, n::text, 'text', 'hello ' || n, now() from unnest($1::uuid[]) c, generate_series(2, 1000) n`,
      [ids, anna],
    );
    await on.engine.owner.query('analyze chat.message');
    const [seqs, texts] = [ids.map(() => 500), ids.map(() => 'hello')];
    const read = async (text: string, parameters: readonly unknown[]) => {
      const [row] = await on.engine.owner.query<{ 'QUERY PLAN': { Plan: Node }[] }>(
        `explain (analyze, format json) ${text}`,
        parameters,
      );
      return messagesRead(row!['QUERY PLAN'][0]!.Plan);
    };
    expect(await read(PRESENT, [ids, seqs])).toBe(30);
    expect(await read(STORE, [ids, seqs, seqs, texts, texts])).toBe(30);
  });
});
