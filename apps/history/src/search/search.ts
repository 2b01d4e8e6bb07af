import {
  decodeCursor,
  DEFAULT_LIMIT,
  encodeCursor,
  isMemberNow,
  iso,
  messageColumns,
  requireMember,
  toMessage,
  withOwnReactions,
  type MessageRow,
} from '@parley/chat';
import { Id, partPattern, type CallInput, type CallOutput } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { z } from 'zod';
import { contains, highlight, termsOf, type Term } from './folding.js';

type Search = CallInput<'message.search'>;
/** A message's position in the order of results. Messages sent in the same millisecond are ordered by their `seq`. */
const Place = z.tuple([z.iso.datetime({ precision: 3 }), z.int().nonnegative(), Id]);
const placeOf = (row: MessageRow): z.output<typeof Place> => [iso(row.created_at), Number(row.seq), row.id];

/** SQL: candidates, newest first: the messages of index rows that contain every term, in the caller's conversations. */
function candidates(terms: readonly Term[], words: string): string {
  const parts = terms.map((_term, at) => `and t.folded like $${8 + at}`);
  if (words !== '') parts.push(`and t.words @@ $${8 + terms.length}::tsquery`);
  return `
    select ${messageColumns('o')}
    from history.message_text t
    join chat.message o on o.conversation_id = t.conversation_id and o.seq = t.seq and o.deleted_at is null
    where t.conversation_id in (
        select m.conversation_id from chat.member m join chat.conversation c on c.id = m.conversation_id and c.deleted_at is null
        where m.user_id = $1 and ${isMemberNow('m')} and ($2::uuid is null or m.conversation_id = $2))
      and ($3::uuid is null or t.sender_id = $3) and ($4::timestamptz is null or (t.created_at, t.seq, t.message_id) < ($4::timestamptz, $5::bigint, $6::uuid))
      ${parts.join(' ')}
    order by t.created_at desc, t.seq desc, t.message_id desc limit $7`;
}

const quoted = (word: string): string => `'${word.replace(/[\\']/g, '$&$&')}'`;
const wordsQuery = (terms: readonly Term[]): string =>
  [
    ...new Set(
      terms.flatMap(({ words, prefix }) => [
        ...words.map(quoted),
        ...(prefix === undefined ? [] : [`${quoted(prefix)}:*`]),
      ]),
    ),
  ].join(' & ');

/**
 * Messages of the caller's present conversations that contain every term of `q`, newest first. The index only provides candidates: the present body decides. Refuses a `conversationId` that the
 * caller may not read.
 */
export async function searchMessages(
  sql: Sql,
  userId: string,
  { q, conversationId, senderId, cursor, limit = DEFAULT_LIMIT }: Search,
): Promise<CallOutput<'message.search'>> {
  if (conversationId !== undefined) await requireMember(sql, conversationId, userId);
  const terms = termsOf(q);
  if (terms.length === 0) return { items: [] };
  const words = wordsQuery(terms);
  const text = candidates(terms, words);
  const patterns = [...terms.map((term) => partPattern(term.text)), ...(words === '' ? [] : [words])];

  const found: MessageRow[] = [];
  // One more than a page: it tells whether another page follows.
  const wanted = limit + 1;
  for (let place = cursor === undefined ? undefined : decodeCursor('search', Place, cursor); ;) {
    const [at, seq, id] = place ?? [];
    const rows = await sql.query<MessageRow>(
      text,
      [userId, conversationId, senderId, at, seq, id, wanted, ...patterns],
      { prepared: false },
    );
    found.push(...rows.filter(({ body }) => contains(body, terms)));
    if (rows.length < wanted || found.length >= wanted) break;
    place = placeOf(rows.at(-1)!);
  }
  const page = found.slice(0, limit);
  const next = found.length > limit ? { nextCursor: encodeCursor('search', placeOf(page.at(-1)!)) } : {};
  const messages = await withOwnReactions(sql, userId, page.map(toMessage));
  return { items: messages.map((message) => ({ message, highlight: highlight(message.body, terms) })), ...next };
}
