import { setTimeout as sleep } from 'node:timers/promises';
import { ChatError } from '@parley/contracts';
import { reached, without } from '@parley/faults';
import { inSpans, queueLabel, Unavailable, work, type Logger, type Trace } from '@parley/service-kit';
import { messageOf, open, type Arrival, Inbound } from './inbound-message.js';
import type { BatchHandler, Handler } from '../broker.js';
import { atMost } from '../expiring-set.js';

/** How long a queue is kept for what its handlers left to be done. */
const REST_MS = 5000;

/** What a queue does while a dependency is away: wait in place (keeps the order), refuse the requester, or try again later. */
export type WhenAway = 'wait' | 'refuse' | 'later';

/** Jittered back-off: `times` failures so far, between `first` and `most` milliseconds. */
export const backOff = (times: number, first: number, most: number): number =>
  Math.min(most, first * 2 ** Math.min(times, 20)) * (0.5 + Math.random() / 2);

type Outcome = 'done' | { away: Error } | { failed: unknown };

/** Runs handlers and lets what they do decide what becomes of the deliveries (see {@link Handler}). */
export class Outcomes {
  private readonly halt = new AbortController();
  private readonly finishing = new Set<Promise<void>>();
  private warned = 0;
  constructor(
    private readonly whenAway: WhenAway,
    private readonly logger: Logger,
  ) {}

  /** Ends waiting; what was not settled stays so. */
  stop(): void {
    this.halt.abort();
  }
  get stopped(): boolean {
    return this.halt.signal.aborted;
  }

  /** Resolves when what handlers left to be done has ended, at most after {@link REST_MS}; what has not comes again. */
  async finished(): Promise<void> {
    if (this.finishing.size > 0) await atMost(REST_MS, Promise.all(this.finishing));
  }

  /** Settles one arrival. Never rejects. */
  async one(arrival: Arrival, handler: Handler | undefined): Promise<void> {
    const inbound = handler && (await this.opened(arrival));
    if (inbound) return this.settle([inbound], () => single(handler, inbound));
    if (!handler)
      await this.bury(
        arrival,
        { reason: 'unknown-type', detail: `no handler for ${arrival.name}` },
        new ChatError('internal'),
      );
  }

  /** Settles many in one call; when that fails, each alone and in order. Never rejects. */
  async many(arrivals: readonly Arrival[], { handle }: BatchHandler): Promise<void> {
    const opened: Inbound[] = [];
    for (const arrival of arrivals) {
      const inbound = await this.opened(arrival);
      if (inbound) opened.push(inbound);
    }
    if (opened.length > 0) await this.settle(opened, (inbounds) => batch(handle, inbounds));
  }

  private opened(arrival: Arrival): Inbound | Promise<undefined> {
    const opened = open(arrival);
    return opened instanceof Inbound ? opened : this.bury(arrival, opened.death, opened.refusal).then(() => undefined);
  }

  private async settle(
    inbounds: readonly Inbound[],
    call: (inbounds: readonly Inbound[]) => Promise<Outcome>,
    failures = 0,
  ): Promise<void> {
    if (without('ack-after-commit')) for (const { arrival } of inbounds) arrival.done();
    let outcome = await counted(inbounds, call);
    for (let times = 0; isAway(outcome); times++) {
      if (this.whenAway !== 'wait') return this.away(inbounds, outcome.away);
      if (times === 0)
        this.logger.warn(
          { queue: inbounds[0]!.arrival.queue, err: outcome.away },
          'a dependency is away; the queue waits',
        );
      await sleep(backOff(times, 100, 5000), undefined, { signal: this.halt.signal }).catch(() => undefined);
      if (this.stopped || !inbounds.some(({ arrival }) => arrival.live)) return;
      outcome = await counted(inbounds, call);
      if (!isAway(outcome)) this.logger.info({ queue: inbounds[0]!.arrival.queue }, 'the queue goes on');
    }
    if (outcome === 'done') {
      await reached('broker.settled');
      for (const inbound of inbounds) this.finish(inbound);
    } else await this.failed(inbounds, outcome.failed, call, failures);
  }

  /** Acknowledges, after what the handler left to be done. */
  private finish(inbound: Inbound): void {
    if (inbound.rest.length === 0) return inbound.arrival.done();
    const finishing = this.carryOn(inbound).finally(() => this.finishing.delete(finishing));
    this.finishing.add(finishing);
  }

  private async carryOn({ arrival, rest }: Inbound): Promise<void> {
    for (let at = 0, times = 0; at < rest.length;) {
      try {
        await rest[at]!();
        at += 1;
      } catch (error) {
        if (!(error instanceof Unavailable))
          return this.bury(arrival, { reason: 'failed', detail: messageOf(error) }, new ChatError('internal'));
        await sleep(backOff(times++, 100, 5000), undefined, { signal: this.halt.signal }).catch(() => undefined);
        if (this.stopped || !arrival.live) return;
      }
    }
    arrival.done();
  }

  /** Once more alone, then the dead letters. */
  private async failed(
    inbounds: readonly Inbound[],
    error: unknown,
    call: (inbounds: readonly Inbound[]) => Promise<Outcome>,
    failures: number,
  ): Promise<void> {
    if (failures === 0) {
      for (const inbound of inbounds) {
        if (this.stopped) return;
        await this.settle([inbound], call, 1);
      }
      return;
    }
    for (const { arrival } of inbounds) {
      this.logger.error(
        { err: error, queue: arrival.queue, name: arrival.name, traceId: arrival.correlationId },
        'a handler failed twice',
      );
      await this.bury(
        arrival,
        { reason: 'failed', detail: messageOf(error) },
        new ChatError('internal', undefined, { traceId: arrival.correlationId }),
      );
    }
  }

  private async away(inbounds: readonly Inbound[], error: Error): Promise<void> {
    for (const inbound of inbounds) {
      if (this.whenAway === 'refuse') {
        inbound.refuse(new ChatError('unavailable'));
        inbound.arrival.done();
      } else if (!(await inbound.arrival.later())) {
        work.deadLetters.inc({ queue: queueLabel(inbound.arrival.queue), reason: 'retries' });
        await inbound.arrival.die({ reason: 'retries', detail: messageOf(error) });
      }
    }
    if (Date.now() - this.warned < 1000) return;
    this.warned = Date.now();
    this.logger.warn({ queue: inbounds[0]!.arrival.queue, err: error }, 'a dependency is away');
  }

  private async bury(arrival: Arrival, death: Parameters<Arrival['die']>[0], refusal: ChatError): Promise<void> {
    // A query may carry a password, which must not be kept, and nobody waits for it when it is put back.
    const kept = this.whenAway !== 'refuse';
    this.logger.error(
      { queue: arrival.queue, name: arrival.name, traceId: arrival.correlationId, ...death },
      kept ? 'dead letter' : 'a query failed',
    );
    arrival.answer({ error: refusal.toBody() });
    if (!kept) return arrival.done();
    work.deadLetters.inc({ queue: queueLabel(arrival.queue), reason: death.reason });
    if (without('dead-letters')) arrival.done();
    else await arrival.die(death);
  }
}

/** Calls a handler, and counts it. A batch has one name. */
async function counted(
  inbounds: readonly Inbound[],
  call: (inbounds: readonly Inbound[]) => Promise<Outcome>,
): Promise<Outcome> {
  const { name } = inbounds[0]!.arrival;
  const begun = performance.now();
  const outcome = await call(inbounds);
  work.seconds.observe({ name }, (performance.now() - begun) / 1000);
  work.batchSize.observe({ name }, inbounds.length);
  work.handled.inc({ name, end: outcome === 'done' ? 'done' : 'away' in outcome ? 'away' : 'failed' }, inbounds.length);
  return outcome;
}

const isAway = (outcome: Outcome): outcome is { away: Error } => outcome !== 'done' && 'away' in outcome;

const traceOf = ({ arrival: { correlationId, spanId } }: Inbound): Trace => ({
  traceId: correlationId,
  ...(spanId !== undefined && { spanId }),
});

async function single(handler: Handler, inbound: Inbound): Promise<Outcome> {
  try {
    inbound.reply(await inSpans(`handle ${inbound.name}`, 'consumer', [traceOf(inbound)], () => handler(inbound)));
    return 'done';
  } catch (error) {
    return judge(error, [inbound]);
  }
}

async function batch(handle: BatchHandler['handle'], inbounds: readonly Inbound[]): Promise<Outcome> {
  try {
    // One log line of a batch belongs to many; the first one's id leads to it.
    await inSpans(`handle ${inbounds[0]!.name}`, 'consumer', inbounds.map(traceOf), () => handle(inbounds));
    for (const inbound of inbounds) inbound.reply(undefined);
    return 'done';
  } catch (error) {
    return judge(error, inbounds);
  }
}

function judge(error: unknown, inbounds: readonly Inbound[]): Outcome {
  for (const inbound of inbounds) inbound.again();
  if (error instanceof Unavailable) return { away: error };
  if (!(error instanceof ChatError)) return { failed: error };
  if (error.code === 'unavailable') return { away: error };
  for (const inbound of inbounds) inbound.refuse(error);
  return 'done';
}
