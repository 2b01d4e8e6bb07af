import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AccountsController } from './accounts/accounts.controller.js';
import { Accounts } from './accounts/accounts.js';
import { Passwords } from './accounts/passwords.js';
import { BotsController } from './bots/bots.controller.js';
import { Bots } from './bots/bots.js';
import { WebhookPurges } from './bots/webhook-purges.js';
import { AccountEvents } from './account-events.js';
import { SessionSweeper } from './sessions/session-sweeper.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { Sessions } from './sessions/sessions.js';
import { SigningKeys } from './sessions/signing-keys.js';
import { UsersController } from './users/users.controller.js';
import { Users } from './users/users.js';

@Module({})
export class AppModule {
  /** `dependencies` are opened and closed by the process. */
  static register(dependencies: readonly Provider[]): DynamicModule {
    return {
      module: AppModule,
      controllers: [AccountsController, SessionsController, UsersController, BotsController],
      providers: [
        ...dependencies,
        Accounts,
        Bots,
        AccountEvents,
        Passwords,
        Sessions,
        SessionSweeper,
        SigningKeys,
        Users,
        WebhookPurges,
      ],
    };
  }
}
