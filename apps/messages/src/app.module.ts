import { Module, type DynamicModule } from '@nestjs/common';
import type { Broker } from '@parley/broker';
import { Push, type Registry, type Traces } from '@parley/realtime';
import type { Logger } from '@parley/service-kit';
import type { Database } from '@parley/store';
import { Attachments } from './attachments/attachments.js';
import { AttachmentsController } from './attachments/controller.js';
import { Bans } from './conversations/expired-bans.js';
import { Commands } from './commands/runner.js';
import { ConversationsController } from './conversations/controller.js';
import { DrawingController } from './drawing/controller.js';
import { MessageController } from './messages/controller.js';
import { MessagesController } from './sending/controller.js';
import { policies as ours } from './sending/rules/index.js';
import type { Policy } from './sending/rules/rule.js';
import { defaultSettings, SETTINGS, type Settings } from './settings.js';
import { BROKER, DATABASE, LOGGER, POLICIES, PUSH, TRACES } from './tokens.js';
import { Deliveries } from './webhooks/deliveries.js';
import { WebhooksController } from './webhooks/controller.js';
import { Webhooks } from './webhooks/webhooks.js';
import { WebhookWorker } from './webhooks/worker.js';

/** What the service stands on. It neither opens nor closes any of it. */
export interface MessagesParts {
  readonly broker: Broker;
  /** Under a role that may write schema `chat`. */
  readonly database: Database;
  readonly registry: Registry;
  readonly traces: Traces;
  readonly logger: Logger;
  /** Those that are absent have their defaults. */
  readonly settings?: Partial<Settings>;
  /** The longest that a stop waits for work under way. */
  readonly graceMs?: number;
  /** What new messages must pass. Default: those of `sending/rules/index.ts`. */
  readonly policies?: readonly Policy[];
}

@Module({})
export class AppModule {
  static register({
    broker,
    database,
    registry,
    traces,
    logger,
    settings,
    policies = ours,
  }: MessagesParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        MessagesController,
        MessageController,
        ConversationsController,
        DrawingController,
        AttachmentsController,
        WebhooksController,
      ],
      providers: [
        { provide: BROKER, useValue: broker },
        { provide: DATABASE, useValue: database },
        { provide: PUSH, useValue: new Push({ broker, registry, logger }) },
        { provide: TRACES, useValue: traces },
        { provide: LOGGER, useValue: logger },
        { provide: POLICIES, useValue: policies },
        { provide: SETTINGS, useValue: { ...defaultSettings, ...settings } },
        Commands,
        Attachments,
        Bans,
        Webhooks,
        Deliveries,
        WebhookWorker,
      ],
    };
  }
}
