import {
  decodeCursor,
  DEFAULT_LIMIT,
  encodeCursor,
  fitting,
  isMemberNow,
  iso,
  messageColumns,
  requireMember,
  toMessage,
  withOwnReactions,
  type MessageRow,
} from '@parley/chat';
import { ChatError, Id, partPattern, type CallInput, type CallOutput } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';
import { SqlError, type Sql } from '@parley/store';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { contains, highlight, termsOf, type Term } from './folding.js';

/** Maximum number of terms of a query. */
const MAX_TERMS = 8;
/** Maximum time of a search. */
const TIMEOUT_MS = 3_000;
const DIVISION_BY_ZERO = '22012';

type Search = CallInput<'message.search'>;
/** A message's position in the order of results. Messages sent in the same millisecond are ordered by their `seq`. */
const Place = z.tuple([z.iso.datetime({ precision: 3 }), z.int().nonnegative(), Id]);
const placeOf = (row: MessageRow): z.output<typeof Place> => [iso(row.created_at), Number(row.seq), row.id];

/**
 * SQL: candidates, newest first: the messages of index rows that contain every term, in the caller's conversations. Ends
 * with {@link DIVISION_BY_ZERO} when it takes longer than the last parameter, in milliseconds: PGlite knows no other end
 * of a statement.
 */
function candidates(terms: readonly Term[], words: string): string {
  const parts = terms.map((_term, at) => `and t.folded like $${9 + at}`);
  if (words !== '') parts.push(`and t.words @@ $${9 + terms.length}::tsquery`);
  return `
    select ${messageColumns('o')}
    from history.message_text t
    join chat.message o on o.conversation_id = t.conversation_id and o.seq = t.seq and o.deleted_at is null
    where t.conversation_id in (
        select m.conversation_id from chat.member m join chat.conversation c on c.id = m.conversation_id and c.deleted_at is null
        where m.user_id = $1 and ${isMemberNow('m')} and ($2::uuid is null or m.conversation_id = $2))
      and ($3::uuid is null or t.sender_id = $3) and ($4::timestamptz is null or (t.created_at, t.seq, t.message_id) < ($4::timestamptz, $5::bigint, $6::uuid))
      ${parts.join(' ')}
      and case when clock_timestamp() > statement_timestamp() + $8::int * interval '1 millisecond' then 1 / (t.seq - t.seq) = 1 else true end
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
 * Messages of the caller's present conversations that contain every term of `q`, newest first. The index only provides
 * candidates: the present body decides. Refuses a `conversationId` that the caller may not read, and more than
 * {@link MAX_TERMS} terms. Ends at `deadline`, in milliseconds since the epoch: with a shorter page and its cursor, or
 * `Unavailable` if nothing was found.
 */
export async function searchMessages(
  sql: Sql,
  userId: string,
  { q, conversationId, senderId, cursor, limit = DEFAULT_LIMIT }: Search,
  deadline = Infinity,
): Promise<CallOutput<'message.search'>> {
  if (conversationId !== undefined) await requireMember(sql, conversationId, userId);
  const terms = termsOf(q);
  if (terms.length === 0) return { items: [] };
  if (terms.length > MAX_TERMS) throw new ChatError('invalid', `a search has at most ${MAX_TERMS} terms`);
  const until = Math.min(deadline, Date.now() + TIMEOUT_MS);
  const words = wordsQuery(terms);
  const text = candidates(terms, words);
  const patterns = [...terms.map((term) => partPattern(term.text)), ...(words === '' ? [] : [words])];

  const found: MessageRow[] = [];
  // One more than a page: it tells whether another page follows.
  const wanted = limit + 1;
  let isCut = false;
  for (let place = cursor === undefined ? undefined : decodeCursor('search', Place, cursor); ;) {
    const [at, seq, id] = place ?? [];
    const leftMs = Math.floor(until - Date.now());
    isCut = leftMs <= 0;
    if (isCut) break;
    const rows = await inTime(
      sql.query<MessageRow>(text, [userId, conversationId, senderId, at, seq, id, wanted, leftMs, ...patterns], {
        prepared: false,
      }),
    );
    isCut = rows === undefined;
    if (!rows) break;
    for (const row of rows) {
      if (contains(row.body, terms)) found.push(row);
      await nextTurn();
    }
    if (rows.length < wanted || found.length >= wanted) break;
    place = placeOf(rows.at(-1)!);
  }
  if (isCut && found.length === 0) throw new Unavailable('the search took too long');
  const page = fitting(found.slice(0, limit));
  const next = found.length > page.length || isCut ? { nextCursor: encodeCursor('search', placeOf(page.at(-1)!)) } : {};
  const messages = await withOwnReactions(sql, userId, page.map(toMessage));
  const items: CallOutput<'message.search'>['items'] = [];
  for (const message of messages) {
    items.push({ message, highlight: highlight(message.body, terms) });
    // Other requests must not wait for a page of long messages.
    await nextTurn();
  }
  return { items, ...next };
}

/** The rows, or undefined when the statement ended itself. */
const inTime = <T>(rows: Promise<T[]>): Promise<T[] | undefined> =>
  rows.catch((error: unknown) => {
    if (error instanceof SqlError && error.code === DIVISION_BY_ZERO) return undefined;
    throw error;
  });
