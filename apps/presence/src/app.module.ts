import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { PresenceController } from './presence.controller.js';
import { Presences } from './presences.js';
import { Visibility } from './visibility.js';

@Module({})
export class AppModule {
  /** `dependencies` are opened and closed by the process. */
  static register(dependencies: readonly Provider[]): DynamicModule {
    return {
      module: AppModule,
      controllers: [PresenceController],
      providers: [...dependencies, Presences, Visibility],
    };
  }
}
