/** Messages of one batch, at most: as many as RabbitMQ hands out of a queue before some are acknowledged (`prefetch`). */
const MOST = 250;

/**
 * The way of a message as a net of queues, simulated event by event. Every part takes everything that waits for it as one batch, up to a limit (so does Parley: requests, transactions, answers and pushes all gather
 * while something is under way), works `fixedUs + s × senderUs + n × eachUs` on n messages of s senders, for which it needs one of the machine's cores, and then may wait for a disk without one.
 */

/** A process, or a server with several. */
export interface Part {
  readonly name: string;
  /** Microseconds of CPU for a batch, however small. */
  readonly fixedUs: number;
  /** Microseconds of CPU more for each sender who has messages in it: their sockets, their conversations' rows. */
  readonly senderUs: number;
  /** Microseconds of CPU more for each message of it. */
  readonly eachUs: number;
  /** Batches that it works on at once. */
  readonly parallel: number;
  /** Microseconds that a batch waits after the work, for a disk or a network. */
  readonly waitUs: number;
}

export interface Machine {
  readonly cores: number;
  readonly parts: Readonly<Record<string, Part>>;
  /** Names of parts: where a message goes, from its sender back to its sender. A part that is there twice does its work in as many steps. */
  readonly way: readonly string[];
  /** What is done with it after it was answered. */
  readonly after: readonly string[];
}

/** As fast as answers come, or at a rate. */
export type Pace = { readonly senders: number } & ({ readonly outstanding: number } | { readonly perSecond: number });

export interface Predicted {
  readonly perSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** Microseconds of CPU a message, by part. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Batches, and senders of batches, a message, by part: how often these costs are paid. */
  readonly batches: Readonly<Record<string, number>>;
  readonly senders: Readonly<Record<string, number>>;
}

interface Job {
  readonly begunUs: number;
  readonly sender: number;
  /** Where on its way it is: beyond the way's end, what comes after. */
  step: number;
}

/** What happens when, earliest first. */
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

/** One after another, whoever came first; as many at once as there are cores. */
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

/** Numbers from 0 to 1, always the same ones (mulberry32). */
function numbers(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Runs for `seconds` of its own time, of which the first fifth is not counted. */
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
      // Nothing ever takes quite the same: otherwise all messages might travel as one wave for ever, or never, as it happens.
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
