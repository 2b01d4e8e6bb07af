import { query } from './targets.js';

/** Ordinary words of plain letters, which folding for search leaves unchanged. */
const BODY = `concat_ws(' ', 'w' || (random() * 5000)::int, 'w' || (random() * 5000)::int, 'w' || (random() * 500)::int, 'quick brown fox', 'n' || n)`;

/**
 * Inserts `count` messages by `senderId` into each conversation, dated in the last hours, and indexes them for search.
 * Uses SQL directly, without the services.
 */
export async function seed(
  databaseUrl: string,
  conversationIds: readonly string[],
  senderId: string,
  count: number,
  { searchable = false } = {},
): Promise<void> {
  for (let done = 0; done < count; done += 100_000) {
    const some = Math.min(100_000, count - done);
    await query(
      databaseUrl,
      `
      insert into chat.message (conversation_id, seq, rev, id, sender_id, client_id, type, body, created_at)
      select c.id, c.last_seq + n, c.rev + n, gen_random_uuid(), $2, 'seed-' || c.last_seq + n, 'text', ${BODY}, now() - interval '1 hour' + n * interval '1 millisecond'
      from chat.conversation c, generate_series(1, $3::int) n where c.id = any($1::uuid[])`,
      [conversationIds, senderId, some],
    );
    await query(
      databaseUrl,
      'update chat.conversation set last_seq = last_seq + $2, rev = rev + $2, active_at = now() where id = any($1::uuid[])',
      [conversationIds, some],
    );
  }
  if (searchable) {
    await query(
      databaseUrl,
      `
      insert into history.message_text (conversation_id, seq, rev, message_id, sender_id, created_at, folded, words)
      select conversation_id, seq, rev, id, sender_id, created_at, body, array_to_tsvector(array(select distinct unnest(string_to_array(body, ' '))))
      from chat.message where conversation_id = any($1::uuid[]) and type <> 'system' on conflict do nothing`,
      [conversationIds],
    );
  }
  await query(
    databaseUrl,
    `insert into history.text_progress (conversation_id, rev) select id, rev from chat.conversation where id = any($1::uuid[]) on conflict (conversation_id) do update set rev = excluded.rev`,
    [conversationIds],
  );
  await query(databaseUrl, 'analyze chat.message, chat.conversation, chat.member, history.message_text');
}
