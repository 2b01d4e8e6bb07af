import { Module, type DynamicModule } from '@nestjs/common';
import { Accounts } from './accounts.js';
import { Announcer } from './announcer.js';
import { AuthController } from './auth.controller.js';
import { BotController } from './bot.controller.js';
import { Bots } from './bots.js';
import { defaultSettings, PARTS, SETTINGS, type AuthParts } from './parts.js';
import { Passwords } from './passwords.js';
import { Sessions } from './sessions.js';
import { SigningKeys } from './signing-keys.js';
import { Sweeper } from './sweeper.js';
import { UserController } from './user.controller.js';
import { Users } from './users.js';

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
