import { Module, type DynamicModule } from '@nestjs/common';
import { PassportModule } from '@nestjs/passport';
import { BotTokens } from './auth/bot-tokens.js';
import { Connections } from './connections/connections.js';
import { Dispatcher } from './calls/dispatcher.js';
import { EdgeCalls } from './calls/edge-calls.js';
import { Files } from './files/files.js';
import { FilesController } from './files/files.controller.js';
import { Uploads } from './files/uploads.js';
import { httpCallsController } from './http/call-routes.js';
import { Leases } from './presence/leases.js';
import { Limits } from './calls/limits.js';
import { Metrics } from './metrics.js';
import { PARTS, strategyName, type GatewayParts } from './parts.js';
import { Pushes } from './push/pushes.js';
import { Revocations } from './auth/revocations.js';
import { RootController } from './http/root.controller.js';
import { SessionGuard } from './auth/jwt-auth.guard.js';
import { SigningKeys } from './auth/signing-keys.js';
import { SocketGateway } from './socket/socket.gateway.js';
import { tokenStrategy } from './auth/jwt.strategy.js';
import { Typing } from './presence/typing.js';
import { Watches } from './presence/presence-subscriptions.js';
import { Welcome } from './connections/session-ready.js';

@Module({})
export class AppModule {
  static register(parts: GatewayParts): DynamicModule {
    const name = strategyName(parts);
    return {
      module: AppModule,
      imports: [PassportModule.register({ defaultStrategy: name, session: false })],
      controllers: [RootController, FilesController, httpCallsController()],
      providers: [
        { provide: PARTS, useValue: parts },
        SigningKeys,
        Revocations,
        BotTokens,
        tokenStrategy(name),
        SessionGuard,
        Files,
        Uploads,
        Metrics,
        Limits,
        Dispatcher,
        EdgeCalls,
        Watches,
        Typing,
        Welcome,
        Connections,
        Leases,
        Pushes,
        SocketGateway,
      ],
    };
  }
}
