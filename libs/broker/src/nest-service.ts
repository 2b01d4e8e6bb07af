import 'reflect-metadata';
import { Catch, type DynamicModule, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Server,
  type CustomTransportStrategy,
  type MessageHandler,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import type { Service } from '@parley/contracts';
import { nestLogger, type Logger } from '@parley/service-kit';
import { isObservable, lastValueFrom, throwError } from 'rxjs';
import type { BatchHandler, Broker, Delivery, Handler, Serving } from './broker.js';

/** The arguments of {@link startNestService} beside the module. */
export interface NestServiceOptions {
  readonly broker: Broker;
  readonly service: Service;
  readonly logger: Logger;
  /** The longest that `close` waits for deliveries under way, in milliseconds. */
  readonly graceMs?: number | undefined;
}

/**
 * Serves the handlers of a Nest module through a {@link Broker}. Resolves when all queues are consumed. `close` of the
 * application waits for the deliveries under way and leaves the broker open.
 *
 * - `@MessagePattern<string>('message.read.v1')` and `@EventPattern<string>('user.updated.v1')` get the payload, and
 *   the {@link Delivery} as `@Ctx()`.
 * - `@MessagePattern<string>('message.send.v1', { batch: { max: 500, concurrency: 4 } })` gets the deliveries of a
 *   batch as its payload; see {@link BatchHandler}.
 *
 * A handler's result or error settles the delivery as described at {@link Handler}.
 */
export async function startNestService(
  module: Type | DynamicModule,
  { broker, service, logger, graceMs }: NestServiceOptions,
): Promise<INestMicroservice> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy: new BrokerStrategy(broker, service, graceMs),
    logger: nestLogger(logger),
    abortOnError: false,
  });
  app.useGlobalFilters(new PassErrors());
  await app.listen();
  return app;
}

class BrokerStrategy extends Server implements CustomTransportStrategy {
  private serving: Serving | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly service: Service,
    private readonly graceMs: number | undefined,
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    this.broker.serve(this.service, this.collectHandlers()).then((serving) => {
      this.serving = serving;
      callback();
    }, callback);
  }

  async close(): Promise<void> {
    await this.serving?.stop(this.graceMs);
    this.serving = undefined;
  }

  on(): never {
    throw new Error('the broker has no events for applications');
  }
  unwrap<T>(): T {
    return this.broker as T;
  }

  private collectHandlers() {
    const requests = new Map<string, Handler | BatchHandler>();
    const events = new Map<string, Handler>();
    for (const [name, handler] of this.messageHandlers) {
      if (handler.isEventHandler) events.set(name, singleHandler(handler));
      else requests.set(name, batchHandler(handler) ?? singleHandler(handler));
    }
    return { requests, events };
  }
}

const singleHandler =
  (handler: MessageHandler): Handler =>
  (delivery) =>
    resultOf(handler(delivery.payload, delivery));

function batchHandler(handler: MessageHandler): BatchHandler | undefined {
  const options = handler.extras?.['batch'] as { max: number; concurrency: number } | undefined;
  return (
    options && {
      ...options,
      handle: async (deliveries: readonly Delivery[]) => void (await resultOf(handler(deliveries))),
    }
  );
}

const resultOf = async (returned: ReturnType<MessageHandler>): Promise<unknown> => {
  const value: unknown = await returned;
  return isObservable(value) ? lastValueFrom(value, { defaultValue: undefined }) : value;
};

/**
 * Passes errors on to the broker unchanged. Nest's own filter would log them and replace them by "Internal server
 * error".
 */
@Catch()
class PassErrors {
  catch(error: unknown) {
    return throwError(() => error);
  }
}
