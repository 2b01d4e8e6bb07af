import { Module, type DynamicModule } from '@nestjs/common';
import { Accounts } from './accounts/accounts.js';
import { Announcer } from './event-publisher.js';
import { AuthController } from './accounts/accounts.controller.js';
import { BotController } from './bots/bots.controller.js';
import { Bots } from './bots/bots.js';
import { defaultSettings, PARTS, SETTINGS, type AuthParts } from './parts.js';
import { Passwords } from './accounts/passwords.js';
import { Sessions } from './sessions/sessions.js';
import { SigningKeys } from './sessions/signing-keys.js';
import { Sweeper } from './sessions/session-sweeper.js';
import { UserController } from './users/users.controller.js';
import { Users } from './users/users.js';

@Module({})
export class AppModule {
  static register(parts: AuthParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [AuthController, UserController, BotController],
      providers: [
        { provide: PARTS, useValue: parts },
        { provide: SETTINGS, useValue: { ...defaultSettings, ...parts.settings } },
        Accounts,
        Announcer,
        Bots,
        Passwords,
        Sessions,
        SigningKeys,
        Sweeper,
        Users,
      ],
    };
  }
}
