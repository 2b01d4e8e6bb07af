/**
 * Lists dead letters and redrives them: puts them back into the queues that they came from. A dead letter is removed
 * only after its queue has confirmed it; a crash in between leaves it in both, and handlers are idempotent. Dead
 * letters whose queue is gone stay.
 */
import { names } from '@parley/contracts';
import { connect, type ConfirmChannel, type GetMessage } from 'amqplib';
import { headersOf, isShort } from './wire-format.js';

/** A message that could not be handled. Parts that are unknown are `unknown`, an unknown detail is empty. */
export interface DeadLetter {
  /** The queue that it came from. */
  readonly queue: string;
  readonly name: string;
  /** One of {@link DeadLetterCause}'s reasons, or RabbitMQ's own: `delivery_limit`, `maxlen`, `expired`, `rejected`. */
  readonly reason: string;
  readonly detail: string;
  readonly correlationId: string;
}

/** Returns all dead letters, oldest first, without removing them. */
export async function listDeadLetters(url: string): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  await forEachDeadLetter(url, async (_, message) => {
    found.push(describe(message));
    return false;
  });
  return found;
}

/**
 * Puts dead letters back, oldest first: all, or those of one queue; at most `limit`. Resolves with two numbers: the
 * dead letters that were put back, and those whose queue is gone.
 */
export async function redrive(
  url: string,
  { queue, limit = Infinity }: { queue?: string; limit?: number } = {},
): Promise<{ redriven: number; stuck: number }> {
  const result = { redriven: 0, stuck: 0 };
  await forEachDeadLetter(url, async (channel, message) => {
    const from = describe(message).queue;
    if (result.redriven >= limit || (queue !== undefined && from !== queue)) return false;
    const isBack = await putBack(channel, message, from);
    result[isBack ? 'redriven' : 'stuck']++;
    return isBack;
  });
  return result;
}

/**
 * Visits every dead letter that is there now. Removes those for which `visit` resolves with true; the others return to
 * their queue when the channel closes.
 */
async function forEachDeadLetter(
  url: string,
  visit: (channel: ConfirmChannel, message: GetMessage) => Promise<boolean>,
): Promise<void> {
  const connection = await connect(url, { timeout: 10_000 });
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    const { messageCount } = await channel.checkQueue(names.dead);
    for (let at = 0; at < messageCount; at++) {
      const message = await channel.get(names.dead);
      if (!message) break;
      if (await visit(channel, message)) channel.ack(message);
    }
    await channel.close();
  } finally {
    await connection.close().catch(() => undefined);
  }
}

function describe({ properties }: GetMessage): DeadLetter {
  const headers = (properties.headers ?? {}) as Record<string, unknown>;
  const text = (...values: unknown[]): string => values.find((value) => typeof value === 'string') ?? 'unknown';
  return {
    queue: text(headers['queue'], headers['x-first-death-queue']),
    name: text(properties.type),
    reason: text(headers['reason'], headers['x-first-death-reason']),
    detail: text(headers['detail'], ''),
    correlationId: text(headers['correlation-id']),
  };
}

/** Resolves with false when the queue is gone. */
async function putBack(channel: ConfirmChannel, message: GetMessage, queue: string): Promise<boolean> {
  // Nobody waits for an answer any more, so it gets no `replyTo`; `attempts` marks it as redelivered.
  const { stream: _stream, number: _number, ...kept } = headersOf(message);
  const headers = { ...kept, attempts: 1 };
  let returned = false;
  channel.once('return', () => (returned = true));
  await new Promise<void>((resolve, reject) => {
    channel.publish(
      '',
      queue,
      message.content,
      {
        ...(isShort(message.properties.type) && { type: message.properties.type }),
        persistent: true,
        mandatory: true,
        headers,
      },
      (error: unknown) => (error ? reject(error as Error) : resolve()),
    );
  });
  return !returned;
}
