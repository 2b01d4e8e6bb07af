import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Batcher, Logger, RecurringTask } from '@parley/service-kit';
import { Database, type Row, type Sql } from '@parley/store';
import { foldText, wordsOf } from './folding.js';

export interface MessageKey {
  readonly conversationId: string;
  readonly seq: number;
}

/** Completing the index: messages per step, conversations per query, and the pause between steps. */
const STEP = { messages: 200, conversations: 100, pauseMs: 20 } as const;
/** Interval of completing the index, which finds messages whose events became dead letters. */
const COMPLETE_EVERY_MS = 60 * 60 * 1000;
const COMPLETE_RETRY_MS = 5_000;
/** Time that messages wait to be indexed together. */
const BATCH_WAIT_MS = 40;

interface PresentMessage extends Row {
  conversation_id: string;
  seq: number;
  rev: number;
  id: string;
  sender_id: string;
  created_at: Date;
  body: string;
  gone: boolean;
}
// The planner does not know the length of an array parameter and would read whole tables; `offset 0` makes it look
// every key up. Without statistics all indexes that begin with the conversation cost it the same; only the primary key
// has the messages in the order of `seq`. Leaves out messages whose index row is current.
export const PRESENT = `
  select m.conversation_id, m.seq, m.rev, m.id, m.sender_id, m.created_at, m.body, m.deleted_at is not null or c.deleted_at is not null as gone
  from unnest($1::uuid[], $2::bigint[]) as q(conversation_id, seq)
  cross join lateral (select * from chat.message m where m.conversation_id = q.conversation_id and m.seq between q.seq and q.seq and m.type <> 'system' order by m.seq limit 1) m
  cross join lateral (select c.deleted_at from chat.conversation c where c.id = m.conversation_id offset 0) c
  left join lateral (select t.rev from history.message_text t where t.conversation_id = m.conversation_id and t.seq = m.seq offset 0) t on true
  where t.rev is null or t.rev < m.rev or c.deleted_at is not null`;
// Only messages that are unchanged since they were read: a change has an event of its own.
export const STORE = `
  insert into history.message_text as t (conversation_id, seq, rev, message_id, sender_id, created_at, folded, words)
  select m.conversation_id, m.seq, m.rev, m.id, m.sender_id, m.created_at, q.folded, array_to_tsvector(string_to_array(q.words, ' '))
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) as q(conversation_id, seq, rev, folded, words)
  cross join lateral (select * from chat.message m where m.conversation_id = q.conversation_id and m.seq between q.seq and q.seq and m.rev = q.rev order by m.seq limit 1) m
  order by m.conversation_id, m.seq
  on conflict (conversation_id, seq) do update set rev = excluded.rev, folded = excluded.folded, words = excluded.words where excluded.rev > t.rev`;
const REMOVE = `
  delete from history.message_text t using unnest($1::uuid[], $2::bigint[], $3::bigint[]) as q(conversation_id, seq, rev)
  where t.conversation_id = q.conversation_id and t.seq = q.seq and t.rev <= q.rev`;

const INCOMPLETE = `
  select c.id, c.rev, coalesce(p.rev, 0) as since from chat.conversation c left join history.text_progress p on p.conversation_id = c.id
  where c.deleted_at is null and c.rev > coalesce(p.rev, 0) and c.id > $1 order by c.id limit ${STEP.conversations}`;
const DROP_DELETED = `delete from history.message_text t using chat.conversation c where c.id = t.conversation_id and c.deleted_at is not null`;
const CHANGED = `select seq, rev from chat.message where conversation_id = $1 and rev > $2 and rev <= $3 order by rev limit ${STEP.messages}`;
const PROGRESS = `
  insert into history.text_progress as p (conversation_id, rev) values ($1, $2)
  on conflict (conversation_id) do update set rev = greatest(p.rev, excluded.rev)`;

interface IncompleteConversation extends Row {
  id: string;
  rev: number;
  since: number;
}

/**
 * The index of search: the folded bodies of messages, without system messages and deleted ones. An event only says that
 * a message changed; the index reads the present message. So events may be repeated, late and in any order. Messages
 * without an event (from before an upgrade, or lost as a dead letter) are indexed in the background: at the start, and
 * from time to time.
 */
@Injectable()
export class TextIndex implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly batcher = new Batcher<readonly MessageKey[]>({
    waitMs: BATCH_WAIT_MS,
    serial: true,
    flush: (keys) => this.index(keys.flat()),
  });
  private completion: RecurringTask | undefined;

  constructor(
    private readonly database: Database,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.completion = new RecurringTask({
      name: 'complete the search index',
      logger: this.logger,
      immediately: true,
      everyMs: COMPLETE_EVERY_MS,
      retryMs: COMPLETE_RETRY_MS,
      run: (signal) => this.complete(signal),
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.completion?.stop();
  }

  /**
   * Indexes messages as they are now. Messages added while a write is under way, or shortly before one, share the next
   * write, because its costs hardly depend on their number. Resolves once searches find them; rejects with
   * `Unavailable`.
   */
  async add(keys: readonly MessageKey[]): Promise<void> {
    if (keys.length > 0) await this.batcher.add(keys);
  }

  private async index(keys: readonly MessageKey[]): Promise<void> {
    const unique = [...new Map(keys.map((key) => [`${key.conversationId} ${key.seq}`, key])).values()];
    const messages = await this.database.query<PresentMessage>(PRESENT, [
      unique.map(({ conversationId }) => conversationId),
      unique.map(({ seq }) => seq),
    ]);
    const texts = messages.map((message) => ({ message, folded: message.gone ? '' : foldText(message.body) }));
    await store(
      this.database,
      texts.filter(({ folded }) => folded !== ''),
    );
    await remove(
      this.database,
      texts.filter(({ folded }) => folded === '').map(({ message }) => message),
    );
  }

  /** Removes a deleted conversation. */
  async drop(conversationId: string): Promise<void> {
    await this.database.query(`delete from history.message_text where conversation_id = $1`, [conversationId]);
  }

  /**
   * Indexes all messages that are not indexed, conversation by conversation in small steps. Stores how far each
   * conversation is complete, where the next call begins. Then removes deleted conversations. Ends early when `signal`
   * is aborted.
   */
  async complete(signal: AbortSignal): Promise<void> {
    for (let after = '00000000-0000-0000-0000-000000000000'; !signal.aborted;) {
      const conversations = await this.database.query<IncompleteConversation>(INCOMPLETE, [after]);
      for (const conversation of conversations) await this.completeConversation(conversation, signal);
      if (conversations.length < STEP.conversations) break;
      after = conversations.at(-1)!.id;
    }
    if (!signal.aborted) await this.database.query(DROP_DELETED);
  }

  private async completeConversation({ id, rev, since }: IncompleteConversation, signal: AbortSignal): Promise<void> {
    for (let from = since; from < rev && !signal.aborted;) {
      const rows = await this.database.query<{ seq: number; rev: number }>(CHANGED, [id, from, rev]);
      if (rows.length > 0) await this.index(rows.map(({ seq }) => ({ conversationId: id, seq })));
      from = rows.length < STEP.messages ? rev : rows.at(-1)!.rev;
      await this.database.query(PROGRESS, [id, from]);
      await pause(STEP.pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function store(sql: Sql, texts: readonly { message: PresentMessage; folded: string }[]): Promise<void> {
  if (texts.length === 0) return;
  await sql.query(STORE, [
    texts.map(({ message }) => message.conversation_id),
    texts.map(({ message }) => message.seq),
    texts.map(({ message }) => message.rev),
    texts.map(({ folded }) => folded),
    texts.map(({ folded }) => wordsOf(folded).join(' ')),
  ]);
}

async function remove(sql: Sql, messages: readonly PresentMessage[]): Promise<void> {
  if (messages.length > 0)
    await sql.query(REMOVE, [
      messages.map((message) => message.conversation_id),
      messages.map((message) => message.seq),
      messages.map((message) => message.rev),
    ]);
}
