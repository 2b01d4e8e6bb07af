import type { Broker } from '@parley/broker';
import { Unavailable } from '@parley/service-kit';

type Method = 'publish' | 'push' | 'pushAll';

/** Stands between a service and its broker and makes publications fail: then the command is redelivered, as if the service had died after the commit. */
export class BrokerFailure {
  private remaining = 0;
  /** How many publications have failed. */
  count = 0;

  constructor(private readonly methods: readonly Method[] = ['publish', 'push', 'pushAll']) {}

  readonly through = (broker: Broker): Broker =>
    new Proxy(broker, {
      get: (target, key) => {
        const method = Reflect.get(target, key) as unknown;
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) =>
          this.methods.some((name) => name === key) && this.isDue()
            ? Promise.reject(new Unavailable('made to fail'))
            : method.apply(target, args);
      },
    });

  /** Makes the next publications fail. */
  fail(times = 1): this {
    this.remaining = times;
    return this;
  }

  private isDue(): boolean {
    if (this.remaining === 0) return false;
    this.remaining--;
    this.count++;
    return true;
  }
}
