import { Module, type DynamicModule } from '@nestjs/common';
import { PassportModule } from '@nestjs/passport';
import { BotTokens } from './bot-tokens.js';
import { Connections } from './connections.js';
import { Dispatcher } from './dispatcher.js';
import { EdgeCalls } from './edge-calls.js';
import { Files } from './files/files.js';
import { FilesController } from './files/files.controller.js';
import { Uploads } from './files/uploads.js';
import { httpCallsController } from './http-calls.js';
import { Leases } from './leases.js';
import { Limits } from './limits.js';
import { Metrics } from './metrics.js';
import { PARTS, strategyName, type GatewayParts } from './parts.js';
import { Pushes } from './pushes.js';
import { Revocations } from './revocations.js';
import { RootController } from './root.controller.js';
import { SessionGuard } from './session.guard.js';
import { SigningKeys } from './signing-keys.js';
import { SocketGateway } from './socket.gateway.js';
import { tokenStrategy } from './token.strategy.js';
import { Typing } from './typing.js';
import { Watches } from './watches.js';
import { Welcome } from './welcome.js';

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
