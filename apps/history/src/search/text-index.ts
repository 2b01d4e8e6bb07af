import { setTimeout as delay } from 'node:timers/promises';
import { Unavailable, type Logger } from '@parley/service-kit';
import type { Database, Row, Sql } from '@parley/store';
import { foldText, wordsOf } from './folding.js';

export interface MessageKey {
  readonly conversationId: string;
  readonly seq: number;
}

/** Messages in one step of catching up, conversations that are looked for at a time, and the pause between steps. */
const STEP = { messages: 200, conversations: 100, pauseMs: 20 } as const;
/** After a round of catching up: the next one, which finds what was lost as a dead letter. */
const AGAIN_MS = 60 * 60 * 1000;
const AWAY_MS = 5_000;
/** How long what is to be indexed waits for more. */
const GATHER_MS = 40;

interface Present extends Row {
  conversation_id: string;
  seq: number;
  rev: number;
  id: string;
  sender_id: string;
  created_at: Date;
  body: string;
  gone: boolean;
}
// How many rows an array brings is not known to the planner, and it reads whole tables rather than to look a hundred keys up; `offset 0` makes it look each up.
// What is indexed as it is now is left out.
export const PRESENT = `
  select m.conversation_id, m.seq, m.rev, m.id, m.sender_id, m.created_at, m.body, m.deleted_at is not null or c.deleted_at is not null as gone
  from unnest($1::uuid[], $2::bigint[]) as q(conversation_id, seq)
  cross join lateral (select * from chat.message m where m.conversation_id = q.conversation_id and m.seq = q.seq and m.type <> 'system' offset 0) m
  cross join lateral (select c.deleted_at from chat.conversation c where c.id = m.conversation_id offset 0) c
  left join lateral (select t.rev from history.message_text t where t.conversation_id = m.conversation_id and t.seq = m.seq offset 0) t on true
  where t.rev is null or t.rev < m.rev or c.deleted_at is not null`;
// Only what has not changed since it was read; another event tells of that change.
export const PUT = `
  insert into history.message_text as t (conversation_id, seq, rev, message_id, sender_id, created_at, folded, words)
  select m.conversation_id, m.seq, m.rev, m.id, m.sender_id, m.created_at, q.folded, array_to_tsvector(string_to_array(q.words, ' '))
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) as q(conversation_id, seq, rev, folded, words)
  cross join lateral (select * from chat.message m where m.conversation_id = q.conversation_id and m.seq = q.seq and m.rev = q.rev offset 0) m
  order by m.conversation_id, m.seq
  on conflict (conversation_id, seq) do update set rev = excluded.rev, folded = excluded.folded, words = excluded.words where excluded.rev > t.rev`;
const TAKE = `
  delete from history.message_text t using unnest($1::uuid[], $2::bigint[], $3::bigint[]) as q(conversation_id, seq, rev)
  where t.conversation_id = q.conversation_id and t.seq = q.seq and t.rev <= q.rev`;

const UNFINISHED = `
  select c.id, c.rev, coalesce(p.rev, 0) as since from chat.conversation c left join history.text_progress p on p.conversation_id = c.id
  where c.deleted_at is null and c.rev > coalesce(p.rev, 0) and c.id > $1 order by c.id limit ${STEP.conversations}`;
const DROP_DELETED = `delete from history.message_text t using chat.conversation c where c.id = t.conversation_id and c.deleted_at is not null`;
const CHANGED = `select seq, rev from chat.message where conversation_id = $1 and rev > $2 and rev <= $3 order by rev limit ${STEP.messages}`;
const PROGRESS = `
  insert into history.text_progress as p (conversation_id, rev) values ($1, $2)
  on conflict (conversation_id) do update set rev = greatest(p.rev, excluded.rev)`;

interface Unfinished extends Row {
  id: string;
  rev: number;
  since: number;
}

/**
 * What search looks in: the folded bodies of messages, without system messages and deleted ones. An event only says that a message changed; its present state is read, so events may come twice, late and in
 * any order. What no event told of (from before an upgrade, or lost as a dead letter) is found by {@link catchUp}.
 */
export class TextIndex {
  private gathering: { readonly keys: MessageKey[]; readonly done: Promise<void> } | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly database: Database) {}

  /**
   * Indexes messages as they are now. What is added while a write is under way, and within a moment before one, shares the next one: a write costs much beside what each message adds to it. Resolves when
   * they are found; rejects with `Unavailable`.
   */
  async add(...keys: readonly MessageKey[]): Promise<void> {
    if (keys.length === 0) return;
    this.gathering ??= this.gather();
    this.gathering.keys.push(...keys);
    await this.gathering.done;
  }

  private gather(): { keys: MessageKey[]; done: Promise<void> } {
    const keys: MessageKey[] = [];
    const done = this.last
      .then(() => delay(GATHER_MS))
      .then(() => {
        this.gathering = undefined;
        return this.index(keys);
      });
    this.last = done.catch(() => undefined);
    return { keys, done };
  }

  private async index(keys: readonly MessageKey[]): Promise<void> {
    const unique = [...new Map(keys.map((key) => [`${key.conversationId} ${key.seq}`, key])).values()];
    const rows = await this.database.query<Present>(PRESENT, [
      unique.map(({ conversationId }) => conversationId),
      unique.map(({ seq }) => seq),
    ]);
    const texts = rows.map((row) => ({ row, folded: row.gone ? '' : foldText(row.body) }));
    await put(
      this.database,
      texts.filter(({ folded }) => folded !== ''),
    );
    await take(
      this.database,
      texts.filter(({ folded }) => folded === '').map(({ row }) => row),
    );
  }

  /** A conversation was deleted. */
  async drop(conversationId: string): Promise<void> {
    await this.database.query(`delete from history.message_text where conversation_id = $1`, [conversationId]);
  }

  /**
   * Indexes what is not indexed, conversation by conversation in small steps, and remembers how far each is complete: the next time begins there. Then drops what is of deleted conversations. Ends early
   * when `signal` says so.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    for (let after = '00000000-0000-0000-0000-000000000000'; !signal.aborted;) {
      const conversations = await this.database.query<Unfinished>(UNFINISHED, [after]);
      for (const conversation of conversations) await this.complete(conversation, signal);
      if (conversations.length < STEP.conversations) break;
      after = conversations.at(-1)!.id;
    }
    if (!signal.aborted) await this.database.query(DROP_DELETED);
  }

  private async complete({ id, rev, since }: Unfinished, signal: AbortSignal): Promise<void> {
    for (let from = since; from < rev && !signal.aborted;) {
      const rows = await this.database.query<{ seq: number; rev: number }>(CHANGED, [id, from, rev]);
      if (rows.length > 0) await this.index(rows.map(({ seq }) => ({ conversationId: id, seq })));
      from = rows.length < STEP.messages ? rev : rows.at(-1)!.rev;
      await this.database.query(PROGRESS, [id, from]);
      await delay(STEP.pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function put(sql: Sql, texts: readonly { row: Present; folded: string }[]): Promise<void> {
  if (texts.length === 0) return;
  await sql.query(PUT, [
    texts.map(({ row }) => row.conversation_id),
    texts.map(({ row }) => row.seq),
    texts.map(({ row }) => row.rev),
    texts.map(({ folded }) => folded),
    texts.map(({ folded }) => wordsOf(folded).join(' ')),
  ]);
}

async function take(sql: Sql, rows: readonly Present[]): Promise<void> {
  if (rows.length > 0)
    await sql.query(TAKE, [
      rows.map((row) => row.conversation_id),
      rows.map((row) => row.seq),
      rows.map((row) => row.rev),
    ]);
}

/** Catches up in the background, now and from time to time, until stopped. A database that is away is waited for; a defect is logged. */
export function startCatchingUp(index: TextIndex, logger: Logger): { stop(): Promise<void> } {
  const halt = new AbortController();
  const rounds = async () => {
    while (!halt.signal.aborted) {
      const away = await index.catchUp(halt.signal).then(
        () => false,
        (error: unknown) => {
          if (!(error instanceof Unavailable)) logger.error({ err: error }, 'search could not be brought up to date');
          return error instanceof Unavailable;
        },
      );
      await delay(away ? AWAY_MS : AGAIN_MS, undefined, { signal: halt.signal, ref: false }).catch(() => undefined);
    }
  };
  const under = rounds();
  return {
    stop() {
      halt.abort();
      return under;
    },
  };
}
