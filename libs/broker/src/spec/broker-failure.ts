/** For specs of services: a broker that fails on demand. */
import { Unavailable } from '@parley/service-kit';
import type { Broker } from '../broker.js';

type Publication = 'publish' | 'push' | 'pushAll';

/**
 * Stands between a service and its broker, and makes publications fail with `Unavailable`. A command whose publications
 * fail is handled again, as if the service had ended after its commit.
 */
export class BrokerFailure {
  private remaining = 0;
  /** How many publications have failed. */
  count = 0;

  constructor(private readonly methods: readonly Publication[] = ['publish', 'push', 'pushAll']) {}

  /** The broker as the service under test gets it. */
  readonly through = (broker: Broker): Broker =>
    new Proxy(broker, {
      get: (target, key) => {
        const method = Reflect.get(target, key) as unknown;
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) =>
          this.methods.some((name) => name === key) && this.takesOne()
            ? Promise.reject(new Unavailable('made to fail'))
            : method.apply(target, args);
      },
    });

  /** Makes the next publications fail. */
  fail(times = 1): this {
    this.remaining = times;
    return this;
  }

  private takesOne(): boolean {
    if (this.remaining === 0) return false;
    this.remaining--;
    this.count++;
    return true;
  }
}
