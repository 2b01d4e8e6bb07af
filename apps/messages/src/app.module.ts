import { Module, type DynamicModule } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { Audience } from '@parley/chat';
import { Push, Traces, type Registry } from '@parley/realtime';
import { Logger } from '@parley/service-kit';
import { Database } from '@parley/store';
import { Attachments } from './attachments/attachments.js';
import { AttachmentsController } from './attachments/controller.js';
import { ConversationCache } from './commands/conversation-rows.js';
import { CommandRunner, EventPublisher } from './commands/runner.js';
import { defaultSettings, Settings } from './config.js';
import { ConversationsController } from './conversations/controller.js';
import { ConversationCreator } from './conversations/create.js';
import { ExpiredBans } from './conversations/expired-bans.js';
import { DrawingController } from './drawing/controller.js';
import { LineDrawer } from './drawing/draw.js';
import { MessagesController } from './messages/controller.js';
import { PeopleController } from './people/controller.js';
import { BotOwners } from './people/bot-owners.js';
import { People } from './people/people.js';
import { FastPath } from './sending/fast-path.js';
import { RuleEvaluator } from './sending/rules/evaluation.js';
import { sendRules } from './sending/rules/index.js';
import type { SendRule } from './sending/rules/rule.js';
import { MessageSender, SendingController } from './sending/send.js';
import { WebhooksController } from './webhooks/controller.js';
import { Deliveries, WebhookEvents } from './webhooks/deliveries.js';
import { WebhookSecrets } from './webhooks/secrets.js';
import { Webhooks } from './webhooks/webhooks.js';
import { WebhookWorker } from './webhooks/worker.js';

/** The parts that the service uses. It neither opens nor closes them. */
export interface MessagesParts {
  readonly broker: Broker;
  /** Under a role that may write schema `chat`. */
  readonly database: Database;
  readonly registry: Registry;
  readonly traces: Traces;
  readonly logger: Logger;
  /** Absent settings have their defaults. */
  readonly settings?: Partial<Settings>;
  /** Maximum time that a stop waits for work under way, in milliseconds. */
  readonly graceMs?: number;
  /** The rules that new messages must pass. Default: those of `sending/rules/index.ts`. */
  readonly rules?: readonly SendRule[];
}

@Module({})
export class AppModule {
  static register(parts: MessagesParts): DynamicModule {
    const { broker, database, registry, traces, logger, settings, rules = sendRules } = parts;
    return {
      module: AppModule,
      controllers: [
        SendingController,
        MessagesController,
        ConversationsController,
        PeopleController,
        DrawingController,
        AttachmentsController,
        WebhooksController,
        WebhookEvents,
      ],
      providers: [
        { provide: Broker, useValue: broker },
        { provide: Database, useValue: database },
        { provide: Push, useValue: new Push({ broker, registry, logger }) },
        { provide: Traces, useValue: traces },
        { provide: Logger, useValue: logger },
        { provide: Settings, useValue: Object.assign({}, defaultSettings, settings) },
        { provide: RuleEvaluator, useValue: new RuleEvaluator(rules, logger) },
        { provide: Audience, useValue: new Audience() },
        ConversationCache,
        EventPublisher,
        CommandRunner,
        FastPath,
        MessageSender,
        BotOwners,
        ConversationCreator,
        ExpiredBans,
        People,
        LineDrawer,
        Attachments,
        Webhooks,
        WebhookSecrets,
        Deliveries,
        WebhookWorker,
      ],
    };
  }
}
