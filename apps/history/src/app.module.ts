import { Module, type DynamicModule } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { Audience } from '@parley/chat';
import { Push, Traces, type Registry } from '@parley/realtime';
import { Logger } from '@parley/service-kit';
import { Database } from '@parley/store';
import { defaultSettings, Settings } from './config.js';
import { AttachmentsController } from './attachments/controller.js';
import { DrawingController } from './drawing/controller.js';
import { LiveController } from './live/controller.js';
import { Live } from './live/live.js';
import { PagesController } from './pages/controller.js';
import { PeopleController } from './people/controller.js';
import { PreferencesController } from './preferences/controller.js';
import { Preferences } from './preferences/preferences.js';
import { ReceiptsController } from './receipts/controller.js';
import { Receipts } from './receipts/receipts.js';
import { SearchController } from './search/controller.js';
import { TextIndex } from './search/text-index.js';
import { SyncController } from './sync/controller.js';

/** The parts that the service uses. It neither opens nor closes them. */
export interface HistoryParts {
  readonly broker: Broker;
  /** Under a role that may write schema `history` and read `chat`. */
  readonly database: Database;
  readonly registry: Registry;
  readonly traces: Traces;
  readonly logger: Logger;
  /** Absent settings have their defaults. */
  readonly settings?: Partial<Settings>;
  /** The longest that a stop waits for work under way, in milliseconds. */
  readonly graceMs?: number;
}

@Module({})
export class AppModule {
  static register({ broker, database, registry, traces, logger, settings }: HistoryParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        PagesController,
        SyncController,
        ReceiptsController,
        SearchController,
        PreferencesController,
        PeopleController,
        LiveController,
        DrawingController,
        AttachmentsController,
      ],
      providers: [
        { provide: Broker, useValue: broker },
        { provide: Database, useValue: database },
        { provide: Push, useValue: new Push({ broker, registry, logger }) },
        { provide: Traces, useValue: traces },
        { provide: Logger, useValue: logger },
        { provide: Settings, useValue: Object.assign({}, defaultSettings, settings) },
        { provide: Audience, useValue: new Audience() },
        Receipts,
        TextIndex,
        Preferences,
        Live,
      ],
    };
  }
}
