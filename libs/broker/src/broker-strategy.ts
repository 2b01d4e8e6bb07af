import type { Service } from '@parley/contracts';
import {
  BaseRpcExceptionFilter,
  Server,
  type CustomTransportStrategy,
  type MessageHandler,
} from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError } from 'rxjs';
import type { BatchHandler, Broker, Delivery, Handler, Serving } from './broker.js';

/**
 * Serves a Nest application's handlers through a {@link Broker}:
 * `@MessagePattern<string>('message.read.v1')` and `@EventPattern<string>('user.updated.v1')` get the payload, and the {@link Delivery} as `@Ctx()`;
 * `@MessagePattern<string>('message.send.v1', { batch: { max: 500, lanes: 4 } })` gets the deliveries as its payload.
 * What they throw decides as {@link Handler} says. `listen()` resolves when all queues are consumed; `close()` drains. The broker stays its owner's.
 */
export class BrokerStrategy extends Server implements CustomTransportStrategy {
  private serving: Serving | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly service: Service,
    private readonly options: { graceMs?: number } = {},
  ) {
    super();
    passErrors();
  }

  listen(callback: (error?: unknown) => void): void {
    this.broker.serve(this.service, this.collect()).then((serving) => {
      this.serving = serving;
      callback();
    }, callback);
  }

  async close(): Promise<void> {
    await this.serving?.stop(this.options.graceMs);
    this.serving = undefined;
  }

  on(): never {
    throw new Error('the broker has no events for applications');
  }
  unwrap<T>(): T {
    return this.broker as T;
  }

  private collect() {
    const requests = new Map<string, Handler | BatchHandler>();
    const events = new Map<string, Handler>();
    for (const [name, handler] of this.messageHandlers) {
      if (handler.isEventHandler) events.set(name, single(handler));
      else requests.set(name, batched(handler) ?? single(handler));
    }
    return { requests, events };
  }
}

const single =
  (handler: MessageHandler): Handler =>
  (delivery) =>
    result(handler(delivery.payload, delivery));

function batched(handler: MessageHandler): BatchHandler | undefined {
  const options = handler.extras?.['batch'] as { max: number; lanes: number } | undefined;
  return (
    options && {
      ...options,
      handle: async (deliveries: readonly Delivery[]) => void (await result(handler(deliveries))),
    }
  );
}

const result = async (returned: ReturnType<MessageHandler>): Promise<unknown> => {
  const value: unknown = await returned;
  return isObservable(value) ? lastValueFrom(value, { defaultValue: undefined }) : value;
};

/**
 * Nest's last filter logs what is not an RpcException and puts "Internal server error" in its place, and a strategy has no seam to
 * change that: every application would have to remember a global filter, and one that forgets turns refusals into defects. So the
 * filter itself is changed, for the process; filters that an application adds still come first.
 */
function passErrors(): void {
  BaseRpcExceptionFilter.prototype.catch = (exception: unknown) => throwError(() => exception);
}
