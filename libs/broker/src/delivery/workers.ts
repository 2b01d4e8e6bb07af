/** The workers of queues: they run handlers in the order that a queue needs, and settle every message by the result. */
import { setImmediate } from 'node:timers/promises';
import { ChatError } from '@parley/contracts';
import { reached } from '@parley/faults';
import { backOffMs, endsWithin, inSpans, pause, queueLabel, Unavailable, work, type Logger } from '@parley/service-kit';
import type { BatchHandler, Handler } from '../broker.js';
import { messageOf, type DeadLetterCause, type InboundMessage } from './inbound-message.js';

/** The handlers of one worker, by the name of the request or event. */
export type HandlerMap = ReadonlyMap<string, Handler | BatchHandler>;
const isBatch = (handler: Handler | BatchHandler | undefined): handler is BatchHandler => typeof handler === 'object';

/** Handles and settles every message that it is given. */
export interface Worker {
  add(message: InboundMessage): void;
  /** Starts no further message. Resolves when the messages under way have been handled; all others stay unsettled. */
  stop(): Promise<void>;
  /**
   * The process no longer consumes `queue`: forgets its messages that have not been started, and resolves when those under
   * way have been handled. A worker of a single queue stops.
   */
  release(queue: string): Promise<void>;
}

/**
 * The behaviour of a queue while a dependency is unavailable: retry in place (keeps the order), refuse the requester,
 * or retry later.
 */
type WhenUnavailable = 'wait' | 'refuse' | 'retry-later';

/**
 * Keeps the order of every queue that feeds it. A round takes one batch for a batch handler, or the first message of each
 * queue; the next round begins when it has ended. A message that does not fit into a round waits, and so do the later
 * ones of its queue.
 */
export class OrderedWorker implements Worker {
  private inbox: InboundMessage[] = [];
  private readonly queues = new Set<string>();
  private running: Promise<void> | undefined;
  private round: Promise<void> | undefined;
  private readonly runner: DeliveryRunner;

  /** @param dropsExpired Whether a message whose deadline has passed is acknowledged unhandled. */
  constructor(
    private readonly handlers: HandlerMap,
    whenUnavailable: WhenUnavailable,
    logger: Logger,
    private readonly dropsExpired = false,
  ) {
    this.runner = new DeliveryRunner(whenUnavailable, logger);
  }

  add(message: InboundMessage): void {
    if (this.runner.stopped) return;
    this.queues.add(message.queue);
    this.inbox.push(message);
    this.running ??= this.runRounds();
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await this.running;
    await this.runner.workBeforeAckDone();
  }

  async release(queue: string): Promise<void> {
    this.inbox = this.inbox.filter((message) => message.queue !== queue);
    await this.round;
    await this.runner.workBeforeAckDone();
  }

  private async runRounds(): Promise<void> {
    for (;;) {
      // Lets all readable sockets be read first, so that their messages share the round and its transaction.
      await setImmediate();
      if (this.inbox.length === 0 || this.runner.stopped) break;
      this.round = this.runRound();
      await this.round;
    }
    this.round = undefined;
    this.running = undefined;
  }

  private async runRound(): Promise<void> {
    const first = this.handlers.get(this.inbox[0]!.name);
    const messages = this.next(first);
    if (isBatch(first)) await this.runner.runBatch(messages, first);
    else
      await Promise.all(
        messages.map((message) => this.runner.run(message, this.handlers.get(message.name) as Handler | undefined)),
      );
  }

  /** Takes the messages of a round that begins with the handler `first` out of the inbox. */
  private next(first: Handler | BatchHandler | undefined): InboundMessage[] {
    const taken: InboundMessage[] = [];
    const left: InboundMessage[] = [];
    const heldBack = new Set<string>();
    let at = 0;
    for (; at < this.inbox.length && heldBack.size < this.queues.size; at++) {
      const message = this.inbox[at]!;
      if (skips(message, this.dropsExpired)) continue;
      const handler = this.handlers.get(message.name);
      const fits = isBatch(first) ? handler === first && taken.length < first.max : !isBatch(handler);
      if (fits && !heldBack.has(message.queue)) taken.push(message);
      else left.push(message);
      if (!fits || !isBatch(first)) heldBack.add(message.queue);
    }
    this.inbox = left.concat(this.inbox.slice(at));
    return taken;
  }
}

/**
 * For queues without order: single handlers run side by side, up to `limit`; each batch handler has an
 * {@link OrderedWorker} of its own.
 */
export class ParallelWorker implements Worker {
  private readonly waiting: InboundMessage[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly batchWorkers = new Map<string, OrderedWorker>();
  private readonly runner: DeliveryRunner;

  /** @param dropsExpired Whether a message whose deadline has passed is acknowledged unhandled. */
  constructor(
    private readonly handlers: HandlerMap,
    whenUnavailable: WhenUnavailable,
    logger: Logger,
    private readonly limit: number,
    private readonly dropsExpired: boolean,
  ) {
    this.runner = new DeliveryRunner(whenUnavailable, logger);
    for (const [name, handler] of handlers) {
      if (!isBatch(handler)) continue;
      const worker = new OrderedWorker(new Map([[name, handler]]), whenUnavailable, logger, dropsExpired);
      this.batchWorkers.set(name, worker);
    }
  }

  add(message: InboundMessage): void {
    const batchWorker = this.batchWorkers.get(message.name);
    if (batchWorker) return batchWorker.add(message);
    this.waiting.push(message);
    this.startWaiting();
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await Promise.all([...this.running, ...[...this.batchWorkers.values()].map((worker) => worker.stop())]);
    await this.runner.workBeforeAckDone();
  }

  async release(): Promise<void> {
    await this.stop();
  }

  private startWaiting(): void {
    while (this.running.size < this.limit && this.waiting.length > 0 && !this.runner.stopped) {
      const message = this.waiting.shift()!;
      if (!skips(message, this.dropsExpired)) this.start(message);
    }
  }

  private start(message: InboundMessage): void {
    const run = this.runner.run(message, this.handlers.get(message.name) as Handler | undefined).finally(() => {
      this.running.delete(run);
      this.startWaiting();
    });
    this.running.add(run);
  }
}

/**
 * Whether to skip a message: it is redelivered elsewhere, or, with `dropsExpired`, its requester no longer waits. The
 * latter is acknowledged.
 */
function skips(message: InboundMessage, dropsExpired: boolean): boolean {
  if (!message.live) return true;
  if (!dropsExpired || !message.isExpired) return false;
  message.ack();
  return true;
}

/** Maximum time that a stopping queue waits for the work of {@link Delivery.beforeAck}. */
const BEFORE_ACK_TIMEOUT_MS = 5000;

/** The result of running a handler once. */
type RunResult = 'done' | { readonly unavailable: Error } | { readonly failed: unknown };
type Run = (messages: readonly InboundMessage[]) => Promise<RunResult>;

/** Runs handlers and settles the messages by their results: see {@link Handler}. */
class DeliveryRunner {
  private readonly stopping = new AbortController();
  private readonly finishing = new Set<Promise<void>>();
  private warnedAt = 0;

  constructor(
    private readonly whenUnavailable: WhenUnavailable,
    private readonly logger: Logger,
  ) {}

  /** Ends retrying. Messages that are not settled by then are redelivered. */
  stop(): void {
    this.stopping.abort();
  }
  get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** Waits for the work of `beforeAck`, at most {@link BEFORE_ACK_TIMEOUT_MS}. Unfinished deliveries are redelivered. */
  async workBeforeAckDone(): Promise<void> {
    if (this.finishing.size > 0) await endsWithin(BEFORE_ACK_TIMEOUT_MS, Promise.all(this.finishing));
  }

  /** Handles one message and settles it. Never rejects. */
  async run(message: InboundMessage, handler: Handler | undefined): Promise<void> {
    if (!handler) {
      const cause = { reason: 'unknown-type', detail: `no handler for ${message.name}` } as const;
      return this.giveUp(message, cause, new ChatError('internal'));
    }
    if (await this.isValid(message)) await this.settle([message], () => runHandler(handler, message));
  }

  /** Handles many messages in one call and settles them; when the call fails, each alone and in order. Never rejects. */
  async runBatch(messages: readonly InboundMessage[], { handle }: BatchHandler): Promise<void> {
    const valid: InboundMessage[] = [];
    for (const message of messages) if (await this.isValid(message)) valid.push(message);
    if (valid.length > 0) await this.settle(valid, (some) => runBatchHandler(handle, some));
  }

  private isValid(message: InboundMessage): true | Promise<false> {
    const rejection = message.validate();
    return (
      rejection === undefined || this.giveUp(message, rejection.cause, rejection.refusal).then(() => false as const)
    );
  }

  private async settle(messages: readonly InboundMessage[], run: Run, failures = 0): Promise<void> {
    let result = await measured(messages, run);
    for (let retries = 0; isUnavailable(result); retries++) {
      if (this.whenUnavailable !== 'wait') return this.postpone(messages, result.unavailable);
      const { queue } = messages[0]!;
      if (retries === 0)
        this.logger.warn({ queue, err: result.unavailable }, 'a dependency is unavailable; the queue waits');
      await pause(backOffMs(retries, 100, 5000), this.stopping.signal);
      if (this.stopped || !messages.some(({ live }) => live)) return;
      result = await measured(messages, run);
      if (!isUnavailable(result)) this.logger.info({ queue }, 'the queue continues');
    }
    if (result === 'done') {
      await reached('broker.settled');
      for (const message of messages) this.finish(message);
    } else await this.fail(messages, result.failed, run, failures);
  }

  /** Acknowledges after the work of `beforeAck`. */
  private finish(message: InboundMessage): void {
    if (message.workBeforeAck.length === 0) return message.ack();
    const finishing = this.doWorkBeforeAck(message).finally(() => this.finishing.delete(finishing));
    this.finishing.add(finishing);
  }

  private async doWorkBeforeAck(message: InboundMessage): Promise<void> {
    const { workBeforeAck } = message;
    for (let at = 0, retries = 0; at < workBeforeAck.length;) {
      try {
        await workBeforeAck[at]!();
        at += 1;
      } catch (error) {
        if (!(error instanceof Unavailable))
          return this.giveUp(message, { reason: 'failed', detail: messageOf(error) }, new ChatError('internal'));
        await pause(backOffMs(retries++, 100, 5000), this.stopping.signal);
        if (this.stopped || !message.live) return;
      }
    }
    message.ack();
  }

  /**
   * After the first failure, handles each message alone; after the second one, makes it a dead letter (a query is only
   * refused).
   */
  private async fail(messages: readonly InboundMessage[], error: unknown, run: Run, failures: number): Promise<void> {
    if (failures === 0) {
      for (const message of messages) {
        if (this.stopped) return;
        await this.settle([message], run, 1);
      }
      return;
    }
    for (const message of messages) {
      const { queue, name, correlationId: traceId } = message;
      this.logger.error({ err: error, queue, name, traceId }, 'a handler failed twice');
      const refusal = new ChatError('internal', undefined, { traceId });
      await this.giveUp(message, { reason: 'failed', detail: messageOf(error) }, refusal);
    }
  }

  private async postpone(messages: readonly InboundMessage[], error: Error): Promise<void> {
    for (const message of messages) {
      if (this.whenUnavailable === 'refuse') {
        message.refuse(new ChatError('unavailable'));
        message.ack();
      } else if (!(await message.retryLater())) {
        const cause = { reason: 'retries', detail: messageOf(error) } as const;
        work.deadLetters.inc({ queue: queueLabel(message.queue), reason: cause.reason });
        await message.deadLetter(cause);
      }
    }
    if (Date.now() - this.warnedAt < 1000) return;
    this.warnedAt = Date.now();
    this.logger.warn({ queue: messages[0]!.queue, err: error }, 'a dependency is unavailable');
  }

  /** Refuses the requester and makes the message a dead letter; queries are only refused. */
  private async giveUp(message: InboundMessage, cause: DeadLetterCause, refusal: ChatError): Promise<void> {
    // A query may carry a password, which must not be kept; and nobody waits for its answer after a redrive.
    const isKept = this.whenUnavailable !== 'refuse';
    const { queue, name, correlationId: traceId } = message;
    this.logger.error({ queue, name, traceId, ...cause }, isKept ? 'a message became a dead letter' : 'a query failed');
    message.answer({ error: refusal.toBody() });
    if (!isKept) return message.ack();
    work.deadLetters.inc({ queue: queueLabel(queue), reason: cause.reason });
    await message.deadLetter(cause);
  }
}

/** Runs a handler, and counts it. All messages of a batch have one name. */
async function measured(messages: readonly InboundMessage[], run: Run): Promise<RunResult> {
  const { name } = messages[0]!;
  const begun = performance.now();
  const result = await run(messages);
  work.seconds.observe({ name }, (performance.now() - begun) / 1000);
  work.batchSize.observe({ name }, messages.length);
  // The metric's label calls an unavailable dependency `away`.
  const end = result === 'done' ? 'done' : 'unavailable' in result ? 'away' : 'failed';
  work.handled.inc({ name, end }, messages.length);
  return result;
}

const isUnavailable = (result: RunResult): result is { readonly unavailable: Error } =>
  result !== 'done' && 'unavailable' in result;

async function runHandler(handler: Handler, message: InboundMessage): Promise<RunResult> {
  try {
    const { name, envelope } = message;
    message.reply(await inSpans(`handle ${name}`, 'consumer', [envelope.trace], () => handler(message)));
    return 'done';
  } catch (error) {
    return resultOf(error, [message]);
  }
}

async function runBatchHandler(
  handle: BatchHandler['handle'],
  messages: readonly InboundMessage[],
): Promise<RunResult> {
  try {
    // A log line of a batch carries the trace id of its first message.
    const traces = messages.map(({ envelope }) => envelope.trace);
    await inSpans(`handle ${messages[0]!.name}`, 'consumer', traces, () => handle(messages));
    for (const message of messages) message.reply(undefined);
    return 'done';
  } catch (error) {
    return resultOf(error, messages);
  }
}

function resultOf(error: unknown, messages: readonly InboundMessage[]): RunResult {
  for (const message of messages) message.markAttempted();
  if (error instanceof Unavailable) return { unavailable: error };
  if (!(error instanceof ChatError)) return { failed: error };
  if (error.code === 'unavailable') return { unavailable: error };
  for (const message of messages) message.refuse(error);
  return 'done';
}
