import { partPattern, type CallInput, type CallOutput } from '@parley/contracts';
import { belongsNow, iso, messageColumns, toMessage, type MessageRow, type Sql } from '@parley/store';
import { pageByTime, type TimePlace } from './cursor.js';
import { contains, highlight, termsOf, type Term } from './folding.js';
import { demandMember } from './membership.js';
import { withMine } from './reactions.js';

type Search = CallInput<'message.search'>;

/** Candidates, newest first: rows of the index in the caller's conversations that have every term, with their messages. */
function candidates(terms: readonly Term[], words: string): string {
  const parts = terms.map((_term, at) => `and t.folded like $${7 + at}`);
  if (words !== '') parts.push(`and t.words @@ $${7 + terms.length}::tsquery`);
  return `
    select ${messageColumns('o')}
    from history.message_text t
    join chat.message o on o.conversation_id = t.conversation_id and o.seq = t.seq and o.deleted_at is null
    where t.conversation_id in (
        select m.conversation_id from chat.member m join chat.conversation c on c.id = m.conversation_id and c.deleted_at is null
        where m.user_id = $1 and ${belongsNow('m')} and ($2::uuid is null or m.conversation_id = $2))
      and ($3::uuid is null or t.sender_id = $3) and ($4::timestamptz is null or (t.created_at, t.message_id) < ($4::timestamptz, $5::uuid))
      ${parts.join(' ')}
    order by t.created_at desc, t.message_id desc limit $6`;
}

const quoted = (word: string): string => `'${word.replace(/[\\']/g, '$&$&')}'`;
const wordsQuery = (terms: readonly Term[]): string =>
  [...new Set(terms.flatMap(({ words, prefix }) => [...words.map(quoted), ...(prefix === undefined ? [] : [`${quoted(prefix)}:*`])]))].join(' & ');

/**
 * Messages of the caller's present conversations that contain every term of `q`, newest first. The index gives candidates; what decides is the message as it is now. Refuses a `conversationId` that
 * the caller may not read, as every read does.
 */
export async function searchMessages(sql: Sql, userId: string, { q, conversationId, senderId, ...request }: Search): Promise<CallOutput<'message.search'>> {
  if (conversationId !== undefined) await demandMember(sql, conversationId, userId);
  const terms = termsOf(q);
  if (terms.length === 0) return { items: [] };
  const words = wordsQuery(terms);
  const text = candidates(terms, words);
  const patterns = [...terms.map((term) => partPattern(term.text)), ...(words === '' ? [] : [words])];

  const read = async (place: TimePlace, limit: number): Promise<MessageRow[]> => {
    const found: MessageRow[] = [];
    for (let { at, id } = place; ; ) {
      const rows = await sql.query<MessageRow>(text, [userId, conversationId, senderId, at, id, limit, ...patterns]);
      found.push(...rows.filter(({ body }) => contains(body, terms)));
      if (rows.length < limit || found.length >= limit) return found.slice(0, limit);
      const last = rows.at(-1)!;
      [at, id] = [iso(last.created_at), last.id];
    }
  };
  const { rows, ...next } = await pageByTime('search', request, read, (row) => [row.created_at, row.id]);
  const messages = await withMine(sql, userId, rows.map(toMessage));
  return { items: messages.map((message) => ({ message, highlight: highlight(message.body, terms) })), ...next };
}
