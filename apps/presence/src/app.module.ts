import { Module, type DynamicModule } from '@nestjs/common';
import { PARTS, type PresenceParts } from './parts.js';
import { PresenceController } from './presence.controller.js';
import { Presences } from './presences.js';

@Module({})
export class AppModule {
  static register(parts: PresenceParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [PresenceController],
      providers: [{ provide: PARTS, useValue: parts }, Presences],
    };
  }
}
