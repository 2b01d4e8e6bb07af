/** Checks every promise after a fault. */
import { ChatClient, eventually, judge, type Reader, type RecordedEvent, type StoredMessage } from '@parley/testing';
import pg from 'pg';
import { held } from '../../specs/reliability/random-history.js';
import { untilAnswered, type Load, type Person } from './load.js';

/** Broken promises by kind, with the evidence. Empty: all held. */
export type Findings = Record<string, string[]>;

const note = (findings: Findings, kind: string, entries: readonly string[]): void => {
  if (entries.length > 0) (findings[kind] ??= []).push(...entries);
};

/** Queries the database as its owner. */
export type Ask = <T>(text: string, values: readonly unknown[]) => Promise<T[]>;

/**
 * Waits until all users are reconnected. Then compares their answers, events and states, and after that the database.
 * The first query may stop the server, if that is the only way to open its database.
 */
export async function check(load: Load, ask: Ask): Promise<Findings> {
  const findings: Findings = {};
  note(findings, 'unanswered', load.complaints.unanswered);
  note(findings, 'refused', load.complaints.refused);
  for (const person of load.all) note(findings, 'away', await back(person));
  note(findings, 'stale', await stale(load));
  note(findings, 'presence', await presence(load));
  const told = await Promise.all(
    load.people.map(
      async ({ client }) =>
        new Map(
          (await untilAnswered(() => client.http('unread.list', {}))).conversations.map((one) => [one.id, one.unread]),
        ),
    ),
  );
  note(findings, 'revoked', await revocation(load.urls));
  const stored = await ask<StoredMessage>(
    `
    select id, conversation_id as "conversationId", sender_id as "senderId", client_id as "clientId", seq::int as seq
    from chat.message where conversation_id = any($1::uuid[]) order by conversation_id, seq`,
    [load.groups],
  );
  for (const [kind, entries] of Object.entries(
    judge(
      load.attempts,
      stored,
      load.people.map((person) => reader(person, load.groups)),
    ),
  ))
    note(findings, kind, entries as string[]);
  for (const person of load.all) {
    note(findings, 'leaked', leaks(person, person === load.stranger ? load.groups : []));
    note(findings, 'backwards', backwards(person));
  }
  note(findings, 'unread', await unread(load, told, ask));
  note(findings, 'unsearchable', await unsearchable(load, ask));
  return findings;
}

async function back(person: Person): Promise<string[]> {
  try {
    await person.present();
    return [];
  } catch (error) {
    return [`${person.name} did not reconnect: ${person.client.connectionState}; ${String(error)}`];
  }
}

/** Compares the state of each present device, without another sync, with the state that a new device loads (I9). */
async function stale(load: Load): Promise<string[]> {
  const entries: string[] = [];
  for (const { client, name } of load.people) {
    const fresh = client.device();
    await untilAnswered(() => fresh.connect());
    try {
      let difference = '';
      await eventually(
        async () => {
          await fresh.sync();
          const [mine, theirs] = [held(client, load.groups), held(fresh, load.groups)];
          difference = JSON.stringify(mine) === JSON.stringify(theirs) ? '' : differenceOf(mine, theirs);
          return difference === '';
        },
        { timeoutMs: 8_000, intervalMs: 200 },
      ).catch(() => undefined);
      if (difference !== '') entries.push(`${name} ${difference}`);
    } finally {
      fresh.disconnect();
    }
  }
  return entries;
}

function differenceOf(mine: object, theirs: object): string {
  const walk = (a: unknown, b: unknown, path: string): string | undefined => {
    if (JSON.stringify(a) === JSON.stringify(b)) return undefined;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
      return `${path}: holds ${JSON.stringify(a)}, loads ${JSON.stringify(b)}`.slice(0, 300);
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = walk((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], `${path}/${key}`);
      if (found) return found;
    }
    return undefined;
  };
  return walk(mine, theirs, '') ?? '';
}

const reader = ({ client, name }: Person, conversationIds: readonly string[]): Reader => ({
  name,
  conversationIds,
  live: client.connections.map((events) =>
    events.flatMap((event) => (event.name === 'message:new' ? [event.payload.message.id] : [])),
  ),
  held: conversationIds.flatMap((id) => client.state.messages(id)),
});

const conversationOf = ({ payload }: RecordedEvent): string | undefined => {
  const { conversationId, message, conversation } = payload as {
    conversationId?: string;
    message?: { conversationId?: string };
    conversation?: { id?: string };
  };
  return conversationId ?? message?.conversationId ?? conversation?.id;
};

/**
 * Finds events of a conversation between its `conversation:removed` and its next `conversation:new`, and events of
 * conversations that never were the user's (I8).
 */
function leaks({ client, name }: Person, never: readonly string[]): string[] {
  return client.connections.flatMap((events) => {
    const gone = new Set(never);
    return events.flatMap((event) => {
      const id = conversationOf(event);
      if (id === undefined) return [];
      if (event.name === 'conversation:new' && !never.includes(id)) gone.delete(id);
      else if (gone.has(id)) return [`${name} received ${event.name} of ${id}`];
      else if (event.name === 'conversation:removed') gone.add(id);
      return [];
    });
  });
}

/** Finds positions that went back on one connection (I5). */
function backwards({ client, name }: Person): string[] {
  return client.connections.flatMap((events) => {
    const furthest = new Map<string, { readSeq: number; deliveredSeq: number }>();
    return events.flatMap((event) => {
      if (event.name !== 'receipt:updated') return [];
      const { conversationId, userId, readSeq, deliveredSeq } = event.payload;
      const key = `${conversationId} ${userId}`;
      const before = furthest.get(key) ?? { readSeq: 0, deliveredSeq: 0 };
      furthest.set(key, { readSeq, deliveredSeq });
      const wrong = readSeq < before.readSeq || deliveredSeq < before.deliveredSeq || deliveredSeq < readSeq;
      return wrong
        ? [`${name} received ${userId} at ${readSeq}/${deliveredSeq} after ${before.readSeq}/${before.deliveredSeq}`]
        : [];
    });
  });
}

/** Compares stored positions with acknowledged ones (I5), and the server's unread counts with a count of the rows (I4). */
async function unread(load: Load, told: readonly ReadonlyMap<string, number>[], ask: Ask): Promise<string[]> {
  const entries: string[] = [];
  for (const [index, { name, id, read }] of load.people.entries()) {
    const rows = await ask<{ conversation_id: string; read_seq: number; unread: number }>(
      `
      select m.conversation_id, greatest(coalesce(k.read_seq, 0), m.base_seq)::int as read_seq,
        (select count(*) from chat.message o where o.conversation_id = m.conversation_id and o.seq > greatest(coalesce(k.read_seq, 0), m.base_seq)
          and o.sender_id <> m.user_id and o.deleted_at is null and o.type <> 'system')::int as unread
      from chat.member m left join history.cursor k using (conversation_id, user_id) where m.user_id = $1 and m.conversation_id = any($2::uuid[])`,
      [id, load.groups],
    );
    for (const row of rows) {
      const acknowledged = read.get(row.conversation_id) ?? 0;
      if (row.read_seq < acknowledged)
        entries.push(`${name} has ${acknowledged} acknowledged as read, but ${row.read_seq} stored`);
      const count = told[index]!.get(row.conversation_id) ?? 0;
      if (count !== row.unread) entries.push(`${name} got ${count} unread instead of ${row.unread}`);
    }
  }
  return entries;
}

/** Finds messages that search does not find: their event was lost. A failed event is retried after at most 30 s. */
async function unsearchable(load: Load, ask: Ask): Promise<string[]> {
  let missing: string[] = [];
  await eventually(
    async () => {
      missing = (
        await ask<{ place: string }>(
          `
      select o.conversation_id || ' #' || o.seq as place from chat.message o
      left join history.message_text t on t.conversation_id = o.conversation_id and t.seq = o.seq
      where o.conversation_id = any($1::uuid[]) and o.type <> 'system' and o.deleted_at is null and t.seq is null limit 20`,
          [load.groups],
        )
      ).map(({ place }) => place);
      return missing.length === 0;
    },
    { timeoutMs: 45_000, intervalMs: 250 },
  ).catch(() => undefined);
  return missing;
}

/** Checks that watchers see every connected user as not offline (I6). */
async function presence(load: Load): Promise<string[]> {
  const [watcher, ...others] = load.people;
  const states = new Map<string, string>();
  try {
    await eventually(
      async () => {
        const { presence: now } = await watcher!.client.call('presence.watch', { userIds: others.map(({ id }) => id) });
        for (const one of now) states.set(one.userId, one.state);
        return others.every(({ id }) => isShown(states.get(id)));
      },
      { timeoutMs: 35_000, intervalMs: 500 },
    );
    return [];
  } catch (error) {
    return [
      ...others
        .filter(({ id }) => !isShown(states.get(id)))
        .map(({ id, name }) => `${name} is connected and shown as ${states.get(id) ?? 'nothing'}`),
      String(error),
    ];
  }
}

const isShown = (state: string | undefined): boolean => state !== undefined && state !== 'offline';

/** Ends a session at one gateway: its sockets at all gateways must be closed within 5 s, and its token refused (I7). */
export async function revocation(urls: readonly string[]): Promise<string[]> {
  const one = await untilAnswered(() => ChatClient.guest(urls[0]!));
  const devices = urls.map((url) => one.device(url));
  await Promise.all(devices.map((device) => untilAnswered(() => device.connect())));
  await one.http('auth.logout', {});
  const trouble: string[] = [];
  await eventually(() => devices.every(({ connected }) => !connected), { timeoutMs: 5_000 }).catch(() =>
    trouble.push(
      `${devices.filter(({ connected }) => connected).length} sockets of an ended session are open after 5 s`,
    ),
  );
  for (const device of devices) {
    const { status } = await device.fetch('GET', '/api/v1/users/me');
    if (status !== 401) trouble.push(`the token of an ended session was answered with ${status}`);
    device.disconnect();
  }
  return trouble;
}

export async function query<T>(databaseUrl: string, text: string, values: readonly unknown[]): Promise<T[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return (await client.query(text, values as unknown[])).rows as T[];
  } finally {
    await client.end();
  }
}
