import { Injectable } from '@nestjs/common';
import { isMemberNow } from '@parley/chat';
import { newId, type WebhookEvent } from '@parley/contracts';
import { Database, type Row } from '@parley/store';
import { Settings } from '../config.js';
import type { Outcome } from './post.js';

/** Attempts before a delivery is given up: with the usual first wait, over about a day. */
export const ATTEMPTS = 8;
const WAIT_FACTOR = 4.3;
/** Deliveries of a webhook that are given up in a row before it is switched off. */
const MOST_DEAD = 5;
/** An attempt that did not end in time was cut off, and its delivery is due again: longer than an attempt takes. */
const LEASE_MS = 60_000;
/** Attempts for one webhook that this process makes at a time. */
export const MOST_EACH = 4;
const KEPT = `interval '7 days'`;
const SWEPT = 1000;

/** Something that happened in a conversation. `key` names it: a repeated event has the same. */
export interface Happening {
  readonly conversationId: string;
  readonly event: WebhookEvent;
  readonly key: string;
  readonly data: object;
}

/** A delivery that is to be attempted now, by this process alone. */
export interface Due extends Row {
  id: string;
  webhook_id: string;
  event: string;
  payload: object;
  attempts: number;
  created_at: Date;
  url: string;
  secret: string;
}

/** SQL: whether who made the webhook `alias` is still creator or admin of its conversation. It hears nothing from the moment that they are not. */
export const led = (alias: string): string =>
  `exists (select 1 from chat.member m where m.conversation_id = ${alias}.conversation_id and m.user_id = ${alias}.created_by and m.role in ('creator', 'admin') and ${isMemberNow('m')})`;

/**
 * The queue of what is sent to webhooks, in the database: one row for each webhook and event, however often the event comes. At least once: an attempt whose end was not recorded
 * is made again. No order is promised.
 */
@Injectable()
export class Deliveries {
  /** Called when there may be something to do. */
  onAdded: () => void = () => undefined;
  private gathered: {
    readonly happening: Happening;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  private flushing = false;

  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  /** Queues a happening for the webhooks that want it. What comes while the database is asked is asked about together: most conversations have no webhook. */
  add(happening: Happening): Promise<void> {
    const added = new Promise<void>((resolve, reject) => void this.gathered.push({ happening, resolve, reject }));
    if (!this.flushing) void this.flush();
    return added;
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    while (this.gathered.length > 0) {
      const together = this.gathered.splice(0);
      await this.store(together.map(({ happening }) => happening)).then(
        () => together.forEach(({ resolve }) => resolve()),
        (error: unknown) => together.forEach(({ reject }) => reject(error)),
      );
    }
    this.flushing = false;
  }

  private async store(happenings: readonly Happening[]): Promise<void> {
    const webhooks = await this.database.query<{ id: string; conversation_id: string; events: string[]; led: boolean }>(
      `select w.id, w.conversation_id, w.events, ${led('w')} as led from chat.webhook w where w.conversation_id = any($1::uuid[]) and w.disabled_at is null`,
      [[...new Set(happenings.map(({ conversationId }) => conversationId))]],
    );
    await this.switchOff(webhooks.filter((webhook) => !webhook.led).map(({ id }) => id));
    const rows = webhooks
      .filter((webhook) => webhook.led)
      .flatMap(({ id, conversation_id, events }) =>
        happenings
          .filter(({ conversationId, event }) => conversationId === conversation_id && events.includes(event))
          .map(({ event, key, data }) => ({ id: newId(), webhook_id: id, event, event_key: key, payload: data })),
      );
    if (rows.length === 0) return;
    // A webhook that is deleted or switched off meanwhile takes nothing any more, nor does one whose maker manages the conversation no more.
    await this.database.query(
      `insert into chat.webhook_delivery (id, webhook_id, event, event_key, payload, created_at, next_attempt_at)
       select r.id, r.webhook_id, r.event, r.event_key, r.payload, now(), now()
         from jsonb_to_recordset($1::jsonb) as r(id uuid, webhook_id uuid, event text, event_key text, payload jsonb)
         join chat.webhook w on w.id = r.webhook_id and w.disabled_at is null and ${led('w')}
          for share of w
       on conflict (webhook_id, event_key) do nothing`,
      [JSON.stringify(rows)],
    );
    this.onAdded();
  }

  /**
   * Takes at most `limit` deliveries that are due, a few of each webhook, none of `busy` ones. Several replicas may take at once: none gets what another has. A webhook whose maker manages
   * the conversation no more is switched off instead.
   */
  async take(limit: number, busy: readonly string[]): Promise<Due[]> {
    const taken = await this.database.query<Due & { led: boolean }>(
      `with due as materialized (
         select d.id, row_number() over (partition by d.webhook_id order by d.next_attempt_at, d.id) as n
           from (select id, webhook_id, next_attempt_at from chat.webhook_delivery
                  where state = 'waiting' and next_attempt_at <= now() and webhook_id <> all($2::uuid[]) order by next_attempt_at limit 500) d),
       taken as materialized (
         select d.id from chat.webhook_delivery d join due on due.id = d.id
          where due.n <= ${MOST_EACH} and d.state = 'waiting' and d.next_attempt_at <= now() order by d.next_attempt_at limit $1 for update of d skip locked)
       update chat.webhook_delivery d set attempts = d.attempts + ${led('w')}::int, next_attempt_at = now() + interval '${LEASE_MS} milliseconds'
         from taken, chat.webhook w where d.id = taken.id and w.id = d.webhook_id
       returning d.id, d.webhook_id, d.event, d.payload, d.attempts, d.created_at, w.url, w.secret, ${led('w')} as led`,
      [limit, busy],
    );
    await this.switchOff(taken.filter((due) => !due.led).map(({ webhook_id }) => webhook_id));
    return taken.filter((due) => due.led);
  }

  /** Records how an attempt ended. True when that switched the webhook off. */
  async settle(due: Due, outcome: Outcome): Promise<boolean> {
    if (outcome.problem === undefined) return this.delivered(due, outcome);
    if (due.attempts < ATTEMPTS) return this.again(due, outcome);
    return this.dead(due, outcome);
  }

  /** An attempt that was begun in vain, because this process ends: the next one is made at once, elsewhere. */
  async giveBack({ id, attempts }: Due): Promise<void> {
    await this.database.query(
      `update chat.webhook_delivery set attempts = attempts - 1, next_attempt_at = now() where id = $1 and state = 'waiting' and attempts = $2`,
      [id, attempts],
    );
  }

  /** Removes what is older than a week; answers how much. */
  async sweep(): Promise<number> {
    const rows = await this.database.query(
      `delete from chat.webhook_delivery where id in (select id from chat.webhook_delivery where created_at < now() - ${KEPT} order by created_at limit ${SWEPT} for update skip locked) returning 1 as one`,
    );
    return rows.length;
  }

  private async switchOff(webhookIds: readonly string[]): Promise<void> {
    for (const id of new Set(webhookIds)) {
      await this.database.transaction(async (sql) => {
        await sql.query(`update chat.webhook set disabled_at = coalesce(disabled_at, now()) where id = $1`, [id]);
        await sql.query(KILL, [id]);
      });
    }
  }

  private async delivered({ id, webhook_id }: Due, { status }: Outcome): Promise<false> {
    await this.database.query(
      `with done as (
         update chat.webhook_delivery set state = 'delivered', delivered_at = now(), next_attempt_at = null, status = $2, problem = null where id = $1 and state = 'waiting' returning webhook_id)
       update chat.webhook w set failures = 0 from done where w.id = done.webhook_id and w.id = $3 and w.failures > 0`,
      [id, status, webhook_id],
    );
    return false;
  }

  private async again({ id, attempts }: Due, { status, problem }: Outcome): Promise<false> {
    const wait = this.settings.webhooks.retryMs * WAIT_FACTOR ** (attempts - 1) * (0.8 + Math.random() * 0.4);
    await this.database.query(
      `update chat.webhook_delivery set next_attempt_at = now() + $3 * interval '1 millisecond', status = $4, problem = $5 where id = $1 and state = 'waiting' and attempts = $2`,
      [id, attempts, Math.round(wait), status, problem],
    );
    return false;
  }

  private dead({ id, attempts, webhook_id }: Due, { status, problem }: Outcome): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const given = await sql.query(
        `update chat.webhook_delivery set state = 'dead', next_attempt_at = null, status = $3, problem = $4 where id = $1 and state = 'waiting' and attempts = $2 returning id`,
        [id, attempts, status, problem],
      );
      if (given.length === 0) return false;
      const [webhook] = await sql.query<{ off: boolean }>(
        `update chat.webhook set failures = failures + 1, disabled_at = case when failures + 1 >= ${MOST_DEAD} then coalesce(disabled_at, now()) else disabled_at end
          where id = $1 returning disabled_at is not null as off`,
        [webhook_id],
      );
      if (webhook?.off) await sql.query(KILL, [webhook_id]);
      return webhook?.off === true;
    });
  }
}

/** Gives up what waits for a webhook that is off. */
export const KILL = `update chat.webhook_delivery set state = 'dead', next_attempt_at = null, problem = 'the webhook was switched off' where webhook_id = $1 and state = 'waiting'`;
