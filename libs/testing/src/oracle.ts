import type { Message } from '@parley/contracts';
import pg from 'pg';

/** One message that a client asked to be stored, perhaps by several calls under one `clientId`. */
export interface Attempt {
  readonly conversationId: string;
  readonly senderId: string;
  readonly clientId: string;
  /** Position in the order in which its sender sent one after another in this conversation; absent where a retry may have changed places with what was sent beside it. */
  readonly order?: number;
  /** Every acknowledgement that it got. Empty: the sender never learnt what became of it. */
  readonly answers: readonly Pick<Message, 'id' | 'seq'>[];
}

export type StoredMessage = Pick<Message, 'id' | 'conversationId' | 'senderId' | 'clientId' | 'seq'>;

/** What one member's client ended with. */
export interface Reader {
  readonly name: string;
  readonly conversationIds: readonly string[];
  /** Ids of `message:new` in order of arrival, for each connection that it had. */
  readonly live: readonly (readonly string[])[];
  /** What it holds after live events and `sync`. */
  readonly held: readonly StoredMessage[];
}

/** Everything empty: all promises held. Entries are for people. */
export interface Verdict {
  /** Acknowledged, but not stored (I1). */
  lost: string[];
  /** More than one row for one (conversation, sender, clientId) (I2). */
  doubled: string[];
  /** An acknowledgement that names another row than the one stored, or two that differ (I2). */
  misanswered: string[];
  /** Stored, but nobody sent it. */
  unexpected: string[];
  /** `seq` is not 1..n (I3). */
  holes: string[];
  /** One sender's messages are not in the order in which they were sent (I3). */
  disordered: string[];
  /** Stored, but a member does not hold it, or holds it otherwise (I1, I9). */
  missing: string[];
  /** Shown to one connection twice (I2). */
  repeated: string[];
}

/** Joins what was sent, what is stored and what was read. */
export function judge(
  attempts: readonly Attempt[],
  stored: readonly StoredMessage[],
  readers: readonly Reader[],
): Verdict {
  const verdict: Verdict = {
    lost: [],
    doubled: [],
    misanswered: [],
    unexpected: [],
    holes: [],
    disordered: [],
    missing: [],
    repeated: [],
  };
  const rows = Map.groupBy(stored, key);
  const known = new Map(attempts.map((attempt) => [key(attempt), attempt]));
  for (const attempt of attempts) judgeAttempt(verdict, attempt, rows.get(key(attempt)) ?? []);
  for (const [name, same] of rows) {
    if (same.length > 1) verdict.doubled.push(`${name}: ${same.length} rows`);
    if (!known.has(name) && !name.includes('system:')) verdict.unexpected.push(name);
  }
  for (const [conversationId, messages] of Map.groupBy(stored, (message) => message.conversationId))
    judgeOrder(verdict, conversationId, messages, known);
  for (const reader of readers) judgeReader(verdict, reader, stored);
  return verdict;
}

/** The messages of some conversations as the database has them. */
export async function storedMessages(
  databaseUrl: string,
  conversationIds: readonly string[],
): Promise<StoredMessage[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const { rows } = await client.query<StoredMessage>(
      `select id, conversation_id as "conversationId", sender_id as "senderId", client_id as "clientId", seq::int as seq
         from chat.message where conversation_id = any($1::uuid[]) order by conversation_id, seq`,
      [conversationIds],
    );
    return rows;
  } finally {
    await client.end();
  }
}

const key = ({
  conversationId,
  senderId,
  clientId,
}: Pick<StoredMessage, 'conversationId' | 'senderId' | 'clientId'>): string =>
  `${conversationId} ${senderId} ${clientId}`;

function judgeAttempt(verdict: Verdict, attempt: Attempt, rows: readonly StoredMessage[]): void {
  if (attempt.answers.length > 0 && rows.length === 0) verdict.lost.push(key(attempt));
  for (const answer of attempt.answers) {
    if (rows[0] && (answer.id !== rows[0].id || answer.seq !== rows[0].seq))
      verdict.misanswered.push(`${key(attempt)}: told #${answer.seq}, stored #${rows[0].seq}`);
  }
}

function judgeOrder(
  verdict: Verdict,
  conversationId: string,
  messages: readonly StoredMessage[],
  known: ReadonlyMap<string, Attempt>,
): void {
  const sorted = [...messages].sort((a, b) => a.seq - b.seq);
  sorted.forEach(({ seq }, index) => {
    if (seq !== index + 1) verdict.holes.push(`${conversationId}: #${seq} at place ${index + 1}`);
  });
  const last = new Map<string, number>();
  for (const message of sorted) {
    const order = known.get(key(message))?.order;
    if (order === undefined) continue;
    if (order < (last.get(message.senderId) ?? -1))
      verdict.disordered.push(`${key(message)}: #${message.seq} came after a later one`);
    last.set(message.senderId, order);
  }
}

function judgeReader(verdict: Verdict, reader: Reader, stored: readonly StoredMessage[]): void {
  const held = new Map(reader.held.map((message) => [message.id, message]));
  for (const row of stored) {
    if (!reader.conversationIds.includes(row.conversationId)) continue;
    if (held.get(row.id)?.seq !== row.seq)
      verdict.missing.push(`${reader.name} lacks #${row.seq} of ${row.conversationId}`);
  }
  for (const connection of reader.live) {
    const seen = new Set<string>();
    for (const id of connection) {
      if (seen.has(id)) verdict.repeated.push(`${reader.name} was shown ${id} twice`);
      seen.add(id);
    }
  }
}
