import { Module, type DynamicModule } from '@nestjs/common';
import type { Broker } from '@parley/broker';
import { Push, type Registry, type Traces } from '@parley/realtime';
import type { Logger } from '@parley/service-kit';
import type { Database } from '@parley/store';
import { PersonalController } from './people/controller.js';
import { ReadsController } from './pages/controller.js';
import { ReceiptsController } from './receipts/controller.js';
import { SearchController } from './search/controller.js';
import { TextIndex } from './search/text-index.js';
import { BROKER, DATABASE, PUSH, TRACES } from './tokens.js';

/** What the service stands on. It neither opens nor closes any of it. */
export interface HistoryParts {
  readonly broker: Broker;
  /** Under a role that may write schema `history` and read `chat`. */
  readonly database: Database;
  readonly registry: Registry;
  readonly traces: Traces;
  readonly logger: Logger;
  /** The longest that a stop waits for work under way. */
  readonly graceMs?: number;
}

@Module({})
export class AppModule {
  static register({ broker, database, registry, traces, logger }: HistoryParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [ReadsController, PersonalController, ReceiptsController, SearchController],
      providers: [
        { provide: BROKER, useValue: broker },
        { provide: DATABASE, useValue: database },
        { provide: TextIndex, useValue: new TextIndex(database) },
        { provide: TRACES, useValue: traces },
        { provide: PUSH, useValue: new Push({ broker, registry, logger }) },
      ],
    };
  }
}
