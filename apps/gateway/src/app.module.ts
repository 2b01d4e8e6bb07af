import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Logger } from '@parley/service-kit';
import { AccessTokens } from './auth/access-tokens.js';
import { BotTokens } from './auth/bot-tokens.js';
import { JwtStrategy } from './auth/jwt.strategy.js';
import { Revocations } from './auth/revocations.js';
import { VerificationKeys } from './auth/verification-keys.js';
import { Dispatcher } from './calls/dispatcher.js';
import { EdgeCalls } from './calls/edge-calls.js';
import { RateLimits } from './calls/rate-limits.js';
import { Connections } from './connections/connections.js';
import { SessionReady } from './connections/session-ready.js';
import { FileLinks } from './files/file-links.js';
import { FilesController } from './files/files.controller.js';
import { Files } from './files/files.js';
import { Sandbox } from './files/sandbox/sandbox.js';
import { Uploads } from './files/uploads.js';
import { Housekeeping } from './housekeeping.js';
import { callRoutesController } from './http/call-routes.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RootController } from './http/root.controller.js';
import { UnknownCallController } from './http/uncounted.js';
import { Metrics } from './metrics.js';
import { Leases } from './presence/leases.js';
import { PresenceSubscriptions } from './presence/presence-subscriptions.js';
import { Typing } from './presence/typing.js';
import { PushListener } from './push/push-listener.js';
import { SocketGateway } from './socket/socket.gateway.js';

@Module({})
export class AppModule {
  /** `dependencies` are opened and closed by the process. */
  static register(dependencies: readonly Provider[]): DynamicModule {
    return {
      module: AppModule,
      controllers: [RootController, FilesController, callRoutesController(), UnknownCallController],
      providers: [
        ...dependencies,
        { provide: APP_FILTER, useClass: ProblemFilter },
        AccessTokens,
        BotTokens,
        Connections,
        Dispatcher,
        EdgeCalls,
        FileLinks,
        Files,
        Housekeeping,
        JwtStrategy,
        Leases,
        RateLimits,
        Metrics,
        PresenceSubscriptions,
        PushListener,
        Revocations,
        { provide: Sandbox, useFactory: (logger: Logger) => new Sandbox(logger), inject: [Logger] },
        SessionReady,
        VerificationKeys,
        SocketGateway,
        Typing,
        Uploads,
      ],
    };
  }
}
