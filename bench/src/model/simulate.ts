/** Maximum messages per batch: RabbitMQ's `prefetch` of a queue. */
const MOST = 250;

/**
 * Simulates the path of a message as a network of queues, event by event. Every part takes all waiting messages as one
 * batch, up to a limit, as Parley does with requests, transactions, answers and pushes. It works `fixedUs + s ×
 * senderUs + n × eachUs` on n messages of s senders, for which it needs one of the machine's cores, and then may wait
 * for a disk without one.
 */

/** A process, or a server with several processes. */
export interface Part {
  readonly name: string;
  /** Microseconds of CPU per batch. */
  readonly fixedUs: number;
  /** Additional microseconds of CPU per sender in the batch: sockets, rows of conversations. */
  readonly senderUs: number;
  /** Additional microseconds of CPU per message. */
  readonly eachUs: number;
  /** Batches handled concurrently. */
  readonly parallel: number;
  /** Microseconds that a batch waits for a disk or network after the work. */
  readonly waitUs: number;
}

export interface Machine {
  readonly cores: number;
  readonly parts: Readonly<Record<string, Part>>;
  /** Names of the parts on a message's path, from its sender back to its sender. A part may occur more than once. */
  readonly way: readonly string[];
  /** Names of the parts after the answer. */
  readonly after: readonly string[];
}

/** Closed loop with outstanding messages, or an open loop at a rate. */
export type Pace = { readonly senders: number } & ({ readonly outstanding: number } | { readonly perSecond: number });

export interface Predicted {
  readonly perSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** Microseconds of CPU per message, by part. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Batches, and senders in batches, per message, by part. */
  readonly batches: Readonly<Record<string, number>>;
  readonly senders: Readonly<Record<string, number>>;
}

interface Job {
  readonly begunUs: number;
  readonly sender: number;
  /** Its index on the path; beyond the path's end, in the work after the answer. */
  step: number;
}

/** A priority queue of events, earliest first. */
class Agenda {
  private readonly heap: { at: number; what: () => void }[] = [];
  now = 0;

  add(afterUs: number, what: () => void): void {
    const { heap } = this;
    let at = heap.push({ at: this.now + afterUs, what }) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.at > heap[at]!.at; parent = (at - 1) >> 1) {
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  run(untilUs: number): void {
    while (this.heap.length > 0 && this.heap[0]!.at <= untilUs) {
      const { at, what } = this.take();
      this.now = at;
      what();
    }
  }

  private take(): { at: number; what: () => void } {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const child = heap[2 * at + 2] && heap[2 * at + 2]!.at < heap[2 * at + 1]!.at ? 2 * at + 2 : 2 * at + 1;
      if (!heap[child] || heap[child].at >= heap[at]!.at) return first;
      [heap[at], heap[child]] = [heap[child], heap[at]!];
      at = child;
    }
  }
}

/** The machine's cores, given out first come, first served. */
class Cores {
  private readonly waiting: (() => void)[] = [];
  constructor(private free: number) {}
  take(work: () => void): void {
    if (this.free === 0) return void this.waiting.push(work);
    this.free--;
    work();
  }
  release(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}

/** Reproducible numbers from 0 to 1 (mulberry32). */
function numbers(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Simulates `seconds`; the first fifth is not counted. */
export function simulate({ cores: count, parts, way, after }: Machine, pace: Pace, seconds = 5): Predicted {
  const agenda = new Agenda();
  const cores = new Cores(count);
  const route = [...way, ...after];
  const share = (name: string): number => 1 / route.filter((one) => one === name).length;
  const states = new Map(
    Object.values(parts).map((part) => [
      part.name,
      { part, queue: [] as Job[], busy: 0, used: 0, batches: 0, senders: 0 },
    ]),
  );
  const from = (seconds * 1e6) / 5;
  const acks: number[] = [];
  const random = numbers();

  const arrive = (job: Job): void => {
    const state = states.get(route[job.step]!)!;
    state.queue.push(job);
    start(state);
  };
  const start = (state: NonNullable<ReturnType<typeof states.get>>): void => {
    if (state.busy >= state.part.parallel || state.queue.length === 0) return;
    state.busy++;
    cores.take(() => {
      const batch = state.queue.splice(0, MOST);
      const { fixedUs, senderUs, eachUs, name } = state.part;
      const senders = new Set(batch.map(({ sender }) => sender)).size;
      // Durations vary, because otherwise all messages might travel as one wave for ever.
      const cost =
        batch.length === 0
          ? 0
          : (fixedUs + senders * senderUs + batch.length * eachUs) * share(name) * (0.5 + random());
      if (agenda.now >= from) {
        state.used += cost;
        if (batch.length > 0) state.batches += share(name);
        state.senders += senders * share(name);
      }
      agenda.add(cost, () => {
        cores.release();
        agenda.add(state.part.waitUs * 2 * random(), () => {
          state.busy--;
          for (const job of batch) leave(job);
          start(state);
        });
      });
    });
  };
  const leave = (job: Job): void => {
    job.step++;
    if (job.step === way.length) answered(job);
    if (job.step < route.length) arrive(job);
  };
  const send = (sender: number): void => arrive({ begunUs: agenda.now, sender, step: 0 });
  const answered = ({ begunUs, sender }: Job): void => {
    if (agenda.now >= from) acks.push(agenda.now - begunUs);
    if ('outstanding' in pace) send(sender);
  };

  if ('outstanding' in pace) {
    for (let one = 0; one < pace.senders * pace.outstanding; one++) agenda.add(one, () => send(one % pace.senders));
  } else {
    const gap = 1e6 / pace.perSecond;
    let count = 0;
    const tick = (): void => {
      send(count++ % pace.senders);
      agenda.add(gap, tick);
    };
    tick();
  }
  agenda.run(seconds * 1e6);
  const sorted = acks.toSorted((a, b) => a - b);
  const quantile = (q: number): number =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN) / 1000;
  const measuredSeconds = seconds * 0.8;
  return {
    perSecond: acks.length / measuredSeconds,
    ackP50Ms: quantile(0.5),
    ackP99Ms: quantile(0.99),
    cpuUs: Object.fromEntries([...states].map(([name, { used }]) => [name, used / acks.length])),
    batches: Object.fromEntries([...states].map(([name, { batches }]) => [name, batches / acks.length])),
    senders: Object.fromEntries([...states].map(([name, { senders }]) => [name, senders / acks.length])),
  };
}
