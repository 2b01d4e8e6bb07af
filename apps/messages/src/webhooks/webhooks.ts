import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import {
  decodeCursor,
  DEFAULT_LIMIT,
  encodeCursor,
  hidingThing,
  iso,
  requireMember,
  requirePermission,
} from '@parley/chat';
import {
  ChatError,
  Id,
  WebhookEvent,
  type Actor,
  type CallInput,
  type CallOutput,
  type RequestPayload,
  type Webhook,
  type WebhookDelivery,
} from '@parley/contracts';
import {
  ConversationEntity,
  Database,
  LockMode,
  WebhookDeliveryEntity,
  WebhookEntity,
  type EntityManager,
} from '@parley/store';
import { z } from 'zod';
import { Settings } from '../config.js';
import { invalid } from '../people/users.js';
import { creatorManages, SWITCHED_OFF } from './deliveries.js';
import { isPublic } from './post.js';
import { WebhookSecrets } from './secrets.js';

/** Maximum number of webhooks of one conversation. */
const MAX_WEBHOOKS = 10;
const DeliveryPosition = z.tuple([Id]);

/**
 * Manages a conversation's webhooks, for its creator and admins, who must have an account and be no bots. A redelivered
 * command gets the first answer again.
 */
@Injectable()
export class Webhooks {
  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
    private readonly secrets: WebhookSecrets,
  ) {}

  /** Creates a webhook under the request's id. `too_large` if the conversation has the maximum number of webhooks. */
  async create(
    caller: Actor,
    { conversationId, url, events = WebhookEvent.options }: CallInput<'webhook.create'>,
  ): Promise<Webhook> {
    this.requireAllowed(url);
    await this.requireManager(caller, conversationId);
    return this.database.entities(async (em) => {
      // Locked, so that concurrent requests do not exceed the limit together.
      await em.findOneOrFail(ConversationEntity, conversationId, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const webhooks = await em.find(WebhookEntity, { conversationId }, { populate: ['secret'] });
      const existing = webhooks.find(({ id }) => id === caller.requestId);
      if (existing) return toWebhook(existing, this.secrets.decrypt(existing.secret, existing.id));
      if (webhooks.length >= MAX_WEBHOOKS)
        throw new ChatError('too_large', `A conversation has at most ${MAX_WEBHOOKS} webhooks`);
      const secret = randomBytes(32).toString('base64url');
      const webhook = em.create(WebhookEntity, {
        id: caller.requestId,
        conversationId,
        url,
        secret: this.secrets.encrypt(secret, caller.requestId),
        events: [...new Set(events)],
        createdBy: caller.userId,
        createdAt: new Date(),
      });
      return toWebhook(webhook, secret);
    });
  }

  async list(caller: Actor, { conversationId }: CallInput<'webhook.list'>): Promise<CallOutput<'webhook.list'>> {
    await this.requireManager(caller, conversationId);
    const webhooks = await this.database.entities((em) =>
      em.find(WebhookEntity, { conversationId }, { orderBy: { id: 'asc' } }),
    );
    return { items: webhooks.map((webhook) => toWebhook(webhook)) };
  }

  /**
   * Changes a webhook. Switching it off makes its waiting deliveries dead; switching it on resets its failures, and is
   * refused with `conflict` when its creator may no longer manage webhooks.
   */
  async update(caller: Actor, { webhookId, url, events, enabled }: CallInput<'webhook.update'>): Promise<Webhook> {
    if (url !== undefined) this.requireAllowed(url);
    await this.requireManagerOf(caller, webhookId);
    if (enabled) await this.requireManagingCreator(webhookId);
    return this.database.entities(async (em) => {
      const webhook = await em.findOne(WebhookEntity, webhookId);
      if (!webhook) throw noWebhook();
      webhook.url = url ?? webhook.url;
      webhook.events = events ? [...new Set(events)] : webhook.events;
      if (enabled === true) Object.assign(webhook, { disabledAt: null, failures: 0 });
      if (enabled === false) webhook.disabledAt ??= new Date();
      if (webhook.disabledAt) await makeWaitingDead(em, webhookId);
      return toWebhook(webhook);
    });
  }

  async remove(caller: Actor, { webhookId }: CallInput<'webhook.delete'>): Promise<void> {
    await this.requireManagerOf(caller, webhookId);
    await this.database.entities((em) => em.nativeDelete(WebhookEntity, { id: webhookId }));
  }

  /** Deletes the webhooks that a user made, in every conversation, or those made until `before`. */
  async purge({ userId, before }: RequestPayload<'webhook.purge.v1'>): Promise<void> {
    await this.database.entities((em) =>
      em.nativeDelete(WebhookEntity, {
        createdBy: userId,
        ...(before !== undefined && { createdAt: { $lte: new Date(before) } }),
      }),
    );
  }

  /** A webhook's deliveries, newest first. */
  async deliveries(
    caller: Actor,
    { webhookId, cursor, limit = DEFAULT_LIMIT }: CallInput<'webhook.deliveries'>,
  ): Promise<CallOutput<'webhook.deliveries'>> {
    const before = cursor === undefined ? undefined : decodeCursor('deliveries', DeliveryPosition, cursor)[0];
    await this.requireManagerOf(caller, webhookId);
    const deliveries = await this.database.entities((em) =>
      em.find(
        WebhookDeliveryEntity,
        { webhookId, ...(before !== undefined && { id: { $lt: before } }) },
        { orderBy: { id: 'desc' }, limit: limit + 1, exclude: ['payload'] },
      ),
    );
    const items = deliveries.slice(0, limit).map(toDelivery);
    if (deliveries.length <= limit) return { items };
    return { items, nextCursor: encodeCursor('deliveries', [items.at(-1)!.id]) };
  }

  private async requireManager(caller: Actor, conversationId: string): Promise<void> {
    requirePerson(caller);
    const access = await requireMember(this.database, conversationId, caller.userId);
    requirePermission('webhooks', { conversation: access, member: access });
  }

  private async requireManagerOf(caller: Actor, webhookId: string): Promise<void> {
    requirePerson(caller);
    const [webhook] = await this.database.query<{ conversation_id: string }>(
      `select conversation_id from chat.webhook where id = $1`,
      [webhookId],
    );
    if (!webhook) throw noWebhook();
    const access = await hidingThing(noWebhook, requireMember(this.database, webhook.conversation_id, caller.userId), {
      alsoBeforeJoining: true,
    });
    requirePermission('webhooks', { conversation: access, member: access });
  }

  private async requireManagingCreator(webhookId: string): Promise<void> {
    const [webhook] = await this.database.query<{ managed: boolean }>(
      `select ${creatorManages('w')} as managed from chat.webhook w where w.id = $1`,
      [webhookId],
    );
    if (webhook?.managed === false)
      throw new ChatError('conflict', 'The creator of the webhook may no longer manage it: create a new one');
  }

  /** Refuses a URL that alone shows that it is not allowed. Every attempt checks the resolved addresses again. */
  private requireAllowed(url: string): void {
    const { protocol, hostname, username, password } = new URL(url);
    // A trailing dot only marks the name as complete.
    const host = hostname.replace(/^\[|\]$|\.$/g, '');
    if (username !== '' || password !== '') throw invalid('url', 'must not contain a name or password');
    if (this.settings.webhooks.allowPrivate) return;
    if (protocol !== 'https:') throw invalid('url', 'must be an https address');
    if (host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && !isPublic(host)))
      throw invalid('url', 'must be on the public Internet');
  }
}

const noWebhook = (): ChatError => new ChatError('not_found', 'No such webhook');

function requirePerson({ kind }: Actor): void {
  if (kind !== 'person') throw new ChatError('forbidden', 'Only people may manage webhooks');
}

const makeWaitingDead = (em: EntityManager, webhookId: string): Promise<number> =>
  em.nativeUpdate(
    WebhookDeliveryEntity,
    { webhookId, state: 'waiting' },
    { state: 'dead', nextAttemptAt: null, problem: SWITCHED_OFF },
  );

function toWebhook(webhook: Omit<WebhookEntity, 'secret'>, secret?: string): Webhook {
  const { id, conversationId, url, events, createdBy, createdAt, failures, disabledAt } = webhook;
  return {
    id,
    conversationId,
    url,
    events: events as WebhookEvent[],
    createdBy,
    createdAt: iso(createdAt),
    failures,
    ...(disabledAt && { disabledAt: iso(disabledAt) }),
    ...(secret !== undefined && { secret }),
  };
}

type DeliveryColumns = Pick<
  WebhookDeliveryEntity,
  'id' | 'event' | 'state' | 'attempts' | 'createdAt' | 'nextAttemptAt' | 'deliveredAt' | 'status' | 'problem'
>;
function toDelivery(delivery: DeliveryColumns): WebhookDelivery {
  const { id, event, state, attempts, createdAt, nextAttemptAt, deliveredAt, status, problem } = delivery;
  return {
    id,
    event: event as WebhookEvent,
    state,
    attempts,
    createdAt: iso(createdAt),
    ...(nextAttemptAt && { nextAttemptAt: iso(nextAttemptAt) }),
    ...(deliveredAt && { deliveredAt: iso(deliveredAt) }),
    ...(typeof status === 'number' && { status }),
    ...(typeof problem === 'string' && { problem }),
  };
}
