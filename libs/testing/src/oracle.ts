import type { Message } from '@parley/contracts';
import pg from 'pg';

/** One message that a client sent, perhaps by several calls under one `clientId`. */
export interface Attempt {
  readonly conversationId: string;
  readonly senderId: string;
  readonly clientId: string;
  /**
   * The position in the sender's order within the conversation. Absent if a retry may have changed places with a
   * message that was sent beside it.
   */
  readonly order?: number;
  /** Every acknowledgement. Empty if none arrived: the message may be stored or not. */
  readonly answers: readonly Pick<Message, 'id' | 'seq'>[];
}

/** A message as it is in the database, or as a client holds it. */
export type StoredMessage = Pick<Message, 'id' | 'conversationId' | 'senderId' | 'clientId' | 'seq'>;

/** The final state of one member's client. */
export interface Reader {
  readonly name: string;
  readonly conversationIds: readonly string[];
  /** The ids of `message:new` events in order of arrival, for each of its connections. */
  readonly live: readonly (readonly string[])[];
  /** The messages that it has after live events and `sync`. */
  readonly held: readonly StoredMessage[];
}

/** The violations that were found, as sentences for people. All lists are empty when every promise was kept. */
export interface Verdict {
  /** Acknowledged, but not stored (I1). */
  lost: string[];
  /** More than one row for one (conversation, sender, clientId) (I2). */
  doubled: string[];
  /** An acknowledgement that names another row than the one stored, or two that differ (I2). */
  misanswered: string[];
  /** Stored, but sent by nobody. */
  unexpected: string[];
  /** `seq` is not 1..n (I3). */
  holes: string[];
  /** Two messages of one sender are not in the order of sending (I3). */
  disordered: string[];
  /** Stored, but a member lacks it, or has it under another `seq` (I1, I9). */
  missing: string[];
  /** Delivered twice to one connection (I2). */
  repeated: string[];
}

/** Compares sent messages, stored messages, and the messages that members received. */
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
  const attemptsByKey = new Map(attempts.map((attempt) => [key(attempt), attempt]));
  for (const attempt of attempts) judgeAttempt(verdict, attempt, rows.get(key(attempt)) ?? []);
  for (const [name, same] of rows) {
    if (same.length > 1) verdict.doubled.push(`${name}: ${same.length} rows`);
    if (!attemptsByKey.has(name) && !name.includes('system:')) verdict.unexpected.push(name);
  }
  for (const [conversationId, messages] of Map.groupBy(stored, (message) => message.conversationId))
    judgeOrder(verdict, conversationId, messages, attemptsByKey);
  for (const reader of readers) judgeReader(verdict, reader, stored);
  return verdict;
}

/** The messages of these conversations as the database has them. */
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
      verdict.misanswered.push(`${key(attempt)}: acknowledged as #${answer.seq}, stored as #${rows[0].seq}`);
  }
}

function judgeOrder(
  verdict: Verdict,
  conversationId: string,
  messages: readonly StoredMessage[],
  attempts: ReadonlyMap<string, Attempt>,
): void {
  const sorted = [...messages].sort((a, b) => a.seq - b.seq);
  sorted.forEach(({ seq }, index) => {
    if (seq !== index + 1) verdict.holes.push(`${conversationId}: #${seq} at position ${index + 1}`);
  });
  const last = new Map<string, number>();
  for (const message of sorted) {
    const order = attempts.get(key(message))?.order;
    if (order === undefined) continue;
    if (order < (last.get(message.senderId) ?? -1))
      verdict.disordered.push(`${key(message)}: #${message.seq} came after a later one`);
    last.set(message.senderId, order);
  }
}

function judgeReader(verdict: Verdict, reader: Reader, stored: readonly StoredMessage[]): void {
  const received = new Map(reader.held.map((message) => [message.id, message]));
  for (const row of stored) {
    if (!reader.conversationIds.includes(row.conversationId)) continue;
    if (received.get(row.id)?.seq !== row.seq)
      verdict.missing.push(`${reader.name} lacks #${row.seq} of ${row.conversationId}`);
  }
  for (const connection of reader.live) {
    const seen = new Set<string>();
    for (const id of connection) {
      if (seen.has(id)) verdict.repeated.push(`${reader.name} received ${id} twice`);
      seen.add(id);
    }
  }
}
