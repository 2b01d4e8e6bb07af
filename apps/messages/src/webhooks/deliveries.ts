import { Controller, Injectable } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { isMemberNow } from '@parley/chat';
import { newId, type DomainEvent, type WebhookEvent } from '@parley/contracts';
import { Batcher } from '@parley/service-kit';
import { Database, type Row } from '@parley/store';
import { Settings } from '../config.js';
import type { AttemptResult } from './post.js';

/** Maximum number of attempts of a delivery. With the default first wait they span about a day. */
export const MAX_ATTEMPTS = 8;
const WAIT_FACTOR = 4.3;
/** A webhook is switched off after this many deliveries in a row became dead. */
const MAX_FAILURES = 5;
/** After this time another process may take the delivery of an attempt that has no result; longer than any attempt. */
const RETAKE_AFTER_MS = 60_000;
/**
 * Maximum number of parallel attempts of one process: in all, for the webhooks of one owner, for one host, and for one
 * webhook.
 */
export const MAX_PARALLEL = { all: 16, owner: 4, host: 8, webhook: 4 } as const;
const KEPT = `interval '7 days'`;
/** Maximum number of deliveries that one sweep removes. */
const MAX_SWEPT = 1000;
/** The problem of a delivery that became dead because its webhook was switched off. */
export const SWITCHED_OFF = 'the webhook was switched off';

/** An event of a conversation, to be delivered to its webhooks. */
export interface ConversationEvent {
  readonly conversationId: string;
  readonly event: WebhookEvent;
  /** Identifies the event: the same when it is published again. */
  readonly key: string;
  readonly data: object;
}

/** A delivery to attempt now, by this process alone. */
export interface DueDelivery extends Row {
  id: string;
  webhook_id: string;
  event: string;
  payload: object;
  attempts: number;
  created_at: Date;
  url: string;
  secret: string;
  /** The user who created the webhook. */
  owner: string;
  /** Host and port of its address. */
  host: string;
}
/** The number of attempts under way, by webhook, owner and host. */
export interface UsedSlots {
  readonly webhook: ReadonlyMap<string, number>;
  readonly owner: ReadonlyMap<string, number>;
  readonly host: ReadonlyMap<string, number>;
}

/**
 * SQL: whether the user who made the webhook `alias` is now creator or admin of its conversation. Otherwise the webhook
 * gets nothing.
 */
export const creatorManages = (alias: string): string =>
  `exists (select 1 from chat.member m where m.conversation_id = ${alias}.conversation_id and m.user_id = ${alias}.created_by and m.role in ('creator', 'admin') and ${isMemberNow('m')})`;

/** SQL: host and port of the address of the webhook `w`. */
const HOST = `lower(substring(w.url from '^[a-zA-Z]+://([^/?#]+)'))`;
const used = (slots: number, key: string): string => `coalesce(($${slots}::jsonb ->> (${key})::text)::int, 0)`;
const TAKE = `
  with due as (
    select d.id, d.webhook_id, d.next_attempt_at, w.created_by as owner, ${HOST} as host
      from chat.webhook_delivery d join chat.webhook w on w.id = d.webhook_id
     where d.state = 'waiting' and d.next_attempt_at <= now() and ${used(2, 'd.webhook_id')} < ${MAX_PARALLEL.webhook}
       and ${used(3, 'w.created_by')} < ${MAX_PARALLEL.owner} and ${used(4, HOST)} < ${MAX_PARALLEL.host}
     order by d.next_attempt_at limit 500),
  of_webhook as (
    select due.*, row_number() over (partition by webhook_id order by next_attempt_at, id) + ${used(2, 'webhook_id')} as n from due),
  of_owner as (
    select id, next_attempt_at, host, row_number() over (partition by owner order by next_attempt_at, id) + ${used(3, 'owner')} as n
      from of_webhook where n <= ${MAX_PARALLEL.webhook}),
  of_host as materialized (
    select id, next_attempt_at, n as turn, row_number() over (partition by host order by n, next_attempt_at, id) + ${used(4, 'host')} as n
      from of_owner where n <= ${MAX_PARALLEL.owner}),
  taken as materialized (
    select d.id from chat.webhook_delivery d join of_host on of_host.id = d.id
     where of_host.n <= ${MAX_PARALLEL.host} and d.state = 'waiting' and d.next_attempt_at <= now()
     order by of_host.turn, d.next_attempt_at limit $1 for update of d skip locked)
  update chat.webhook_delivery d set attempts = d.attempts + ${creatorManages('w')}::int, next_attempt_at = now() + interval '${RETAKE_AFTER_MS} milliseconds'
    from taken, chat.webhook w where d.id = taken.id and w.id = d.webhook_id
  returning d.id, d.webhook_id, d.event, d.payload, d.attempts, d.created_at, w.url, w.secret, w.created_by as owner, ${HOST} as host, ${creatorManages('w')} as managed`;

const WEBHOOKS = `
  select w.id, w.conversation_id, w.events, ${creatorManages('w')} as managed from chat.webhook w
  where w.conversation_id = any($1::uuid[]) and w.disabled_at is null`;
const ADD = `
  insert into chat.webhook_delivery (id, webhook_id, event, event_key, payload, created_at, next_attempt_at)
  select r.id, r.webhook_id, r.event, r.event_key, r.payload, now(), now()
    from jsonb_to_recordset($1::jsonb) as r(id uuid, webhook_id uuid, event text, event_key text, payload jsonb)
    join chat.webhook w on w.id = r.webhook_id and w.disabled_at is null and ${creatorManages('w')}
     for share of w
  on conflict (webhook_id, event_key) do nothing`;
const WAITING_TO_DEAD = `
  update chat.webhook_delivery set state = 'dead', next_attempt_at = null, problem = '${SWITCHED_OFF}' where webhook_id = $1 and state = 'waiting'`;

/**
 * The queue of deliveries to webhooks, in the database: one row for each webhook and event, also if the event is
 * published several times. Delivers at least once: an attempt without a recorded result is repeated. No order is
 * guaranteed.
 */
@Injectable()
export class Deliveries {
  /** Called after deliveries were added. */
  onAdded: () => void = () => undefined;
  private readonly events = new Batcher<ConversationEvent>({ serial: true, flush: (events) => this.addAll(events) });

  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  /**
   * Adds a delivery of the event for each webhook that wants it. Events that arrive while the database is busy share
   * one query.
   */
  add(event: ConversationEvent): Promise<void> {
    return this.events.add(event);
  }

  private async addAll(events: readonly ConversationEvent[]): Promise<void> {
    const webhooks = await this.database.query<{
      id: string;
      conversation_id: string;
      events: string[];
      managed: boolean;
    }>(WEBHOOKS, [[...new Set(events.map(({ conversationId }) => conversationId))]]);
    await this.switchOff(webhooks.filter(({ managed }) => !managed).map(({ id }) => id));
    const rows = webhooks
      .filter(({ managed }) => managed)
      .flatMap(({ id, conversation_id, events: wanted }) =>
        events
          .filter(({ conversationId, event }) => conversationId === conversation_id && wanted.includes(event))
          .map(({ event, key, data }) => ({ id: newId(), webhook_id: id, event, event_key: key, payload: data })),
      );
    if (rows.length === 0) return;
    // Checks again, because a webhook may meanwhile be deleted or switched off, or its creator demoted.
    await this.database.query(ADD, [JSON.stringify(rows)]);
    this.onAdded();
  }

  /**
   * Takes at most `limit` due deliveries: one of each owner in turn, and never more of a webhook, an owner or a host
   * than {@link MAX_PARALLEL} allows beside those in `used`. Replicas may take at the same time; none takes a delivery
   * of another. Webhooks whose creator may no longer manage them are switched off instead.
   */
  async take(limit: number, used: UsedSlots): Promise<DueDelivery[]> {
    const taken = await this.database.query<DueDelivery & { managed: boolean }>(TAKE, [
      limit,
      Object.fromEntries(used.webhook),
      Object.fromEntries(used.owner),
      Object.fromEntries(used.host),
    ]);
    await this.switchOff(taken.filter(({ managed }) => !managed).map(({ webhook_id }) => webhook_id));
    return taken.filter(({ managed }) => managed);
  }

  /** Records the result of an attempt. True when that switched the webhook off. */
  async record(delivery: DueDelivery, result: AttemptResult): Promise<boolean> {
    if (result.problem === undefined) return this.recordDelivered(delivery, result);
    if (delivery.attempts < MAX_ATTEMPTS) return this.scheduleRetry(delivery, result);
    return this.makeDead(delivery, result);
  }

  /** Puts back a delivery whose attempt was interrupted because this process stops: it is due again at once, elsewhere. */
  async putBack({ id, attempts }: DueDelivery): Promise<void> {
    await this.database.query(
      `update chat.webhook_delivery set attempts = attempts - 1, next_attempt_at = now() where id = $1 and state = 'waiting' and attempts = $2`,
      [id, attempts],
    );
  }

  /** Removes at most {@link MAX_SWEPT} deliveries older than a week. Returns how many. */
  async sweep(): Promise<number> {
    const rows = await this.database.query(
      `delete from chat.webhook_delivery where id in (select id from chat.webhook_delivery where created_at < now() - ${KEPT} order by created_at limit ${MAX_SWEPT} for update skip locked) returning 1 as one`,
    );
    return rows.length;
  }

  private async switchOff(webhookIds: readonly string[]): Promise<void> {
    for (const id of new Set(webhookIds)) {
      await this.database.transaction(async (sql) => {
        await sql.query(`update chat.webhook set disabled_at = coalesce(disabled_at, now()) where id = $1`, [id]);
        await sql.query(WAITING_TO_DEAD, [id]);
      });
    }
  }

  private async recordDelivered({ id, webhook_id }: DueDelivery, { status }: AttemptResult): Promise<false> {
    await this.database.query(
      `with done as (
         update chat.webhook_delivery set state = 'delivered', delivered_at = now(), next_attempt_at = null, status = $2, problem = null where id = $1 and state = 'waiting' returning webhook_id)
       update chat.webhook w set failures = 0 from done where w.id = done.webhook_id and w.id = $3 and w.failures > 0`,
      [id, status, webhook_id],
    );
    return false;
  }

  private async scheduleRetry({ id, attempts }: DueDelivery, { status, problem }: AttemptResult): Promise<false> {
    const waitMs = this.settings.webhooks.retryMs * WAIT_FACTOR ** (attempts - 1) * (0.8 + Math.random() * 0.4);
    await this.database.query(
      `update chat.webhook_delivery set next_attempt_at = now() + $3 * interval '1 millisecond', status = $4, problem = $5 where id = $1 and state = 'waiting' and attempts = $2`,
      [id, attempts, Math.round(waitMs), status, problem],
    );
    return false;
  }

  private makeDead({ id, attempts, webhook_id }: DueDelivery, { status, problem }: AttemptResult): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const dead = await sql.query(
        `update chat.webhook_delivery set state = 'dead', next_attempt_at = null, status = $3, problem = $4 where id = $1 and state = 'waiting' and attempts = $2 returning id`,
        [id, attempts, status, problem],
      );
      if (dead.length === 0) return false;
      const [webhook] = await sql.query<{ off: boolean }>(
        `update chat.webhook set failures = failures + 1, disabled_at = case when failures + 1 >= ${MAX_FAILURES} then coalesce(disabled_at, now()) else disabled_at end
          where id = $1 returning disabled_at is not null as off`,
        [webhook_id],
      );
      if (webhook?.off) await sql.query(WAITING_TO_DEAD, [webhook_id]);
      return webhook?.off === true;
    });
  }
}

/** The domain events that webhooks can subscribe to, each as one delivery. */
@Controller()
export class WebhookEvents {
  constructor(private readonly deliveries: Deliveries) {}

  @EventPattern<string>('message.created.v1')
  async messageCreated(@Payload() { messages }: DomainEvent<'message.created.v1'>): Promise<void> {
    // Together, so that they share one query.
    await Promise.all(
      messages.map((message) =>
        this.deliveries.add({
          conversationId: message.conversationId,
          event: 'message.created',
          key: `created:${message.id}`,
          data: { message },
        }),
      ),
    );
  }

  @EventPattern<string>('message.updated.v1')
  messageUpdated(@Payload() { message }: DomainEvent<'message.updated.v1'>): Promise<void> {
    return this.deliveries.add({
      conversationId: message.conversationId,
      event: 'message.updated',
      key: `updated:${message.id}:${message.rev}`,
      data: { message },
    });
  }

  @EventPattern<string>('member.changed.v1')
  memberChanged(@Payload() change: DomainEvent<'member.changed.v1'>): Promise<void> {
    const userId = 'member' in change ? change.member.userId : change.userId;
    return this.deliveries.add({
      conversationId: change.conversationId,
      event: 'member.changed',
      key: `member:${userId}:${change.rev}`,
      data: change,
    });
  }

  @EventPattern<string>('conversation.updated.v1')
  conversationUpdated(@Payload() { conversation }: DomainEvent<'conversation.updated.v1'>): Promise<void> {
    return this.deliveries.add({
      conversationId: conversation.id,
      event: 'conversation.updated',
      key: `conversation:${conversation.rev}`,
      data: { conversation },
    });
  }
}
