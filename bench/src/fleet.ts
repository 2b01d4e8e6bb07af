import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cpuMs } from '@parley/testing';
import type { Calls, Opened, Order, Pace, Recorded } from './load.js';

/** Called at the start and end of the measured part of a run. */
export interface Window {
  begin(): void;
  end(): void;
}

export interface Measured extends Recorded {
  readonly seconds: number;
}

/** A load generator in its own process. */
class Generator {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  private nextId = 0;

  constructor() {
    this.child = fork(fileURLToPath(new URL('generator.js', import.meta.url)), {
      serialization: 'advanced',
      execArgv: [],
    });
    this.child.on('message', ({ id, result, error }: { id: number; result: unknown; error?: string }) => {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    this.child.once('exit', (code) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`a load generator ended (${code})`));
    });
  }

  do<T>(order: Order): Promise<T> {
    const id = this.nextId++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.child.send({ id, order });
    });
  }

  get cpuMs(): number {
    return cpuMs(this.child.pid!) ?? 0;
  }

  stop(): void {
    this.child.disconnect();
  }
}

/** All clients of one measured server, spread over load generators. Client i uses the i-th token. */
export class Fleet {
  private readonly generators: readonly Generator[];

  constructor(count: number) {
    this.generators = Array.from({ length: count }, () => new Generator());
  }

  get cpuMs(): number {
    return this.generators.reduce((sum, one) => sum + one.cpuMs, 0);
  }

  /** With `demand`, rejects unless all connect. */
  async open(urls: readonly string[], tokens: readonly string[], { atOnce = 20, demand = true } = {}): Promise<Opened> {
    const opened = await Promise.all(
      this.generators.map((one, index) =>
        one.do<Opened>({
          do: 'open',
          urls,
          tokens: tokens.filter((_, at) => at % this.generators.length === index),
          atOnce: Math.ceil(atOnce / this.generators.length),
        }),
      ),
    );
    const total = { opened: sum(opened, (one) => one.opened), failed: sum(opened, (one) => one.failed) };
    if (demand && total.failed > 0) throw new Error(`${total.failed} of ${tokens.length} clients could not connect`);
    return total;
  }

  ask<T>(client: number, event: string, payload: unknown): Promise<T> {
    const [generator, at] = this.place(client);
    return generator.do({ do: 'ask', client: at, event, payload });
  }

  /** Makes calls at a pace: `warmUpSeconds` unmeasured, then `seconds` measured. Resolves after the last answer. */
  async run(
    calls: readonly Calls[],
    pace: Pace,
    warmUpSeconds: number,
    seconds: number,
    window: Window,
  ): Promise<Measured> {
    const shares = this.generators.map((generator) =>
      calls.filter(({ client }) => this.place(client)[0] === generator),
    );
    await this.all((one, index) => {
      const share = shares[index]!.map((call) => ({ ...call, client: this.place(call.client)[1] }));
      return one.do({
        do: 'start',
        calls: share,
        pace: 'perSecond' in pace ? { perSecond: (pace.perSecond * share.length) / calls.length } : pace,
      });
    });
    await pause(warmUpSeconds * 1000);
    await this.all((one) => one.do({ do: 'record' }));
    window.begin();
    const begun = performance.now();
    await pause(seconds * 1000);
    const recorded = await this.all((one) => one.do<Recorded>({ do: 'rest' }));
    const took = (performance.now() - begun) / 1000;
    window.end();
    await this.all((one) => one.do({ do: 'halt' }));
    return {
      seconds: took,
      answered: sum(recorded, (one) => one.answered),
      failed: sum(recorded, (one) => one.failed),
      received: sum(recorded, (one) => one.received),
      answerMs: merged(recorded.map((one) => one.answerMs)),
      receivedMs: merged(recorded.map((one) => one.receivedMs)),
    };
  }

  /** Cuts all connections. */
  async drop(): Promise<void> {
    await this.all((one) => one.do({ do: 'drop' }));
  }

  stop(): void {
    for (const one of this.generators) one.stop();
  }

  private place(client: number): [Generator, number] {
    return [this.generators[client % this.generators.length]!, Math.floor(client / this.generators.length)];
  }

  private all<T>(work: (one: Generator, index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.generators.map(work));
  }
}

const sum = <T>(all: readonly T[], of: (one: T) => number): number => all.reduce((total, one) => total + of(one), 0);

function merged(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(sum(parts, ({ length }) => length));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
