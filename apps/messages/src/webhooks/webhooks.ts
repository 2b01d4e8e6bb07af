import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { accessRefusal, iso, requirePermission } from '@parley/chat';
import {
  ChatError,
  Id,
  WebhookEvent,
  type Actor,
  type CallInput,
  type CallOutput,
  type Webhook,
  type WebhookDelivery,
} from '@parley/contracts';
import { Database, type Row, type Sql } from '@parley/store';
import { callerStatesOf, lockConversations } from '../commands/locked-conversation.js';
import { Settings } from '../config.js';
import { KILL, led } from './deliveries.js';
import { isPublic } from './post.js';

const MOST = 10;
const DEFAULT_PAGE = 50;

interface WebhookRow extends Row {
  id: string;
  conversation_id: string;
  url: string;
  secret: string;
  events: WebhookEvent[];
  created_by: string;
  created_at: Date;
  failures: number;
  disabled_at: Date | null;
}
interface DeliveryRow extends Row {
  id: string;
  event: WebhookEvent;
  state: WebhookDelivery['state'];
  attempts: number;
  created_at: Date;
  next_attempt_at: Date | null;
  delivered_at: Date | null;
  status: number | null;
  problem: string | null;
}
const columns = 'id, conversation_id, url, secret, events, created_by, created_at, failures, disabled_at';

/** A conversation's webhooks, for people who are its creator or admins. Commands may come twice; the second answer is the first. */
@Injectable()
export class Webhooks {
  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  /** Under the request's id. `too_large`: there are as many as a conversation may have. */
  create(
    caller: Actor,
    { conversationId, url, events = WebhookEvent.options }: CallInput<'webhook.create'>,
  ): Promise<Webhook> {
    this.demandAddress(url);
    return this.managed(caller, conversationId, async (sql) => {
      const rows = await sql.query<WebhookRow>(`select ${columns} from chat.webhook where conversation_id = $1`, [
        conversationId,
      ]);
      const known = rows.find(({ id }) => id === caller.requestId);
      if (known) return toWebhook(known, known.secret);
      if (rows.length >= MOST) throw new ChatError('too_large', `At most ${MOST} webhooks in a conversation`);
      const secret = randomBytes(32).toString('base64url');
      const [row] = await sql.query<WebhookRow>(
        `insert into chat.webhook (id, conversation_id, url, secret, events, created_by, created_at) values ($1, $2, $3, $4, $5::text[], $6, now()) returning ${columns}`,
        [caller.requestId, conversationId, url, secret, [...new Set(events)], caller.userId],
      );
      return toWebhook(row!, secret);
    });
  }

  list(caller: Actor, { conversationId }: CallInput<'webhook.list'>): Promise<CallOutput<'webhook.list'>> {
    return this.managed(caller, conversationId, async (sql) => {
      const rows = await sql.query<WebhookRow>(
        `select ${columns} from chat.webhook where conversation_id = $1 order by id`,
        [conversationId],
      );
      return { items: rows.map((row) => toWebhook(row)) };
    });
  }

  /** Switched off, it gives up what waits; switched on, it begins anew. `conflict`: who made it is neither creator nor admin any more, so it can't be switched on. */
  async update(caller: Actor, { webhookId, url, events, enabled }: CallInput<'webhook.update'>): Promise<Webhook> {
    if (url !== undefined) this.demandAddress(url);
    return this.managed(caller, await this.conversationOf(caller, webhookId), async (sql) => {
      if (enabled) await demandLed(sql, webhookId);
      const [row] = await sql.query<WebhookRow>(
        `update chat.webhook set url = coalesce($2, url), events = coalesce($3::text[], events),
           disabled_at = case when $4 then null when not $4 then coalesce(disabled_at, now()) else disabled_at end, failures = case when $4 then 0 else failures end
          where id = $1 returning ${columns}`,
        [webhookId, url, events && [...new Set(events)], enabled],
      );
      if (!row) throw new ChatError('not_found', 'No such webhook');
      if (row.disabled_at !== null) await sql.query(KILL, [webhookId]);
      return toWebhook(row);
    });
  }

  async remove(caller: Actor, { webhookId }: CallInput<'webhook.delete'>): Promise<void> {
    await this.managed(caller, await this.conversationOf(caller, webhookId), (sql) =>
      sql.query(`delete from chat.webhook where id = $1`, [webhookId]),
    );
  }

  async deliveries(
    caller: Actor,
    { webhookId, cursor, limit = DEFAULT_PAGE }: CallInput<'webhook.deliveries'>,
  ): Promise<CallOutput<'webhook.deliveries'>> {
    const before = cursor === undefined ? null : decodeCursor(cursor);
    return this.managed(caller, await this.conversationOf(caller, webhookId), async (sql) => {
      const rows = await sql.query<DeliveryRow>(
        `select id, event, state, attempts, created_at, next_attempt_at, delivered_at, status, problem from chat.webhook_delivery
          where webhook_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
        [webhookId, before, limit + 1],
      );
      const items = rows.slice(0, limit).map(toDelivery);
      return rows.length > limit ? { items, nextCursor: encodeCursor(items.at(-1)!.id) } : { items };
    });
  }

  private async conversationOf(caller: Actor, webhookId: string): Promise<string> {
    demandPerson(caller);
    const [row] = await this.database.query<{ conversation_id: string }>(
      `select conversation_id from chat.webhook where id = $1`,
      [webhookId],
    );
    if (!row) throw new ChatError('not_found', 'No such webhook');
    return row.conversation_id;
  }

  /** Under the conversation's lock, for those who may. */
  private managed<T>(caller: Actor, conversationId: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    demandPerson(caller);
    return this.database.transaction(async (sql) => {
      const [conversation] = await lockConversations(sql, [conversationId]);
      const [member] = await callerStatesOf(sql, [{ conversationId, userId: caller.userId }]);
      const refused = accessRefusal(conversation, member, 'member');
      if (refused) throw refused;
      requirePermission('webhooks', { conversation: conversation!, member: member! });
      return work(sql);
    });
  }

  /** What can be seen of an address before anybody is asked; the rest is checked with every attempt. */
  private demandAddress(url: string): void {
    const { protocol, hostname, username, password } = new URL(url);
    // A dot at the end only says that the name is complete.
    const host = hostname.replace(/^\[|\]$|\.$/g, '');
    if (username !== '' || password !== '') throw invalid('must not contain a name or password');
    if (this.settings.webhooks.allowPrivate) return;
    if (protocol !== 'https:') throw invalid('must be an https address');
    if (host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && !isPublic(host)))
      throw invalid('must be on the public Internet');
  }
}

const invalid = (message: string): ChatError =>
  new ChatError('invalid', `url: ${message}`, { details: [{ path: 'url', message }] });

async function demandLed(sql: Sql, webhookId: string): Promise<void> {
  const [webhook] = await sql.query<{ led: boolean }>(`select ${led('w')} as led from chat.webhook w where w.id = $1`, [
    webhookId,
  ]);
  if (webhook?.led === false)
    throw new ChatError('conflict', 'Who made it manages this conversation no more: make a new one');
}

function demandPerson({ kind }: Actor): void {
  if (kind !== 'person') throw new ChatError('forbidden', 'Webhooks are for people');
}

function toWebhook(row: WebhookRow, secret?: string): Webhook {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    url: row.url,
    events: row.events,
    createdBy: row.created_by,
    createdAt: iso(row.created_at),
    failures: row.failures,
    ...(row.disabled_at !== null && { disabledAt: iso(row.disabled_at) }),
    ...(secret !== undefined && { secret }),
  };
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    event: row.event,
    state: row.state,
    attempts: row.attempts,
    createdAt: iso(row.created_at),
    ...(row.next_attempt_at !== null && { nextAttemptAt: iso(row.next_attempt_at) }),
    ...(row.delivered_at !== null && { deliveredAt: iso(row.delivered_at) }),
    ...(row.status !== null && { status: row.status }),
    ...(row.problem !== null && { problem: row.problem }),
  };
}

const encodeCursor = (id: string): string => Buffer.from(`delivery:${id}`).toString('base64url');
function decodeCursor(cursor: string): string {
  const id = Id.safeParse(
    Buffer.from(cursor, 'base64url')
      .toString()
      .replace(/^delivery:/, ''),
  );
  if (!id.success || encodeCursor(id.data) !== cursor)
    throw new ChatError('invalid', 'cursor: unknown', { details: [{ path: 'cursor', message: 'unknown' }] });
  return id.data;
}
