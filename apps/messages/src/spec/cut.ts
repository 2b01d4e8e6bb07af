import type { Broker } from '@parley/broker';
import { Unavailable } from '@parley/service-kit';

/** Stands between a service and its broker, and lets what follows a commit fail: then the command is delivered again, as if the service had died there. */
export class Cut {
  private failures = 0;
  /** Pushes and events that failed. */
  count = 0;

  readonly through = (broker: Broker): Broker =>
    new Proxy(broker, {
      get: (target, key) => {
        const method = Reflect.get(target, key) as unknown;
        if (typeof method !== 'function') return method;
        return (...args: unknown[]) =>
          ['publish', 'push', 'pushAll'].includes(String(key)) && this.fails()
            ? Promise.reject(new Unavailable('cut'))
            : method.apply(target, args);
      },
    });

  /** The next pushes or events fail. */
  fail(times = 1): void {
    this.failures = times;
  }

  private fails(): boolean {
    if (this.failures === 0) return false;
    this.failures--;
    this.count++;
    return true;
  }
}
