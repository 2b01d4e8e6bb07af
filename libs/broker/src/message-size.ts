import { ChatError } from '@parley/contracts';

/**
 * Maximum size of one message. RabbitMQ 4 takes 16 MiB unless configured otherwise, and closes the channel of a larger
 * one. Not configurable: clients' packets and answers are far smaller. A RabbitMQ that takes less says so with its first
 * refusal, and the publisher keeps to that.
 */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** The error of whoever sends a message of more than `max` bytes. */
export const messageTooLarge = (max: number): ChatError =>
  new ChatError('too_large', `a message between services holds at most ${max} bytes`);

/** Whether a value is larger than `max` bytes as JSON. Counts keys and values, and a byte for each sign between them. */
export function isLargerThan(max: number, value: unknown): boolean {
  let bytes = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0 && bytes <= max) {
    const next = waiting.pop();
    if (typeof next === 'string') bytes += Buffer.byteLength(next) + 3;
    else if (typeof next !== 'object' || next === null) bytes += String(next).length + 1;
    else {
      bytes += 2;
      if (Array.isArray(next)) for (const item of next) waiting.push(item);
      else
        for (const [key, field] of Object.entries(next)) {
          if (field === undefined) continue;
          bytes += key.length + 3;
          waiting.push(field);
        }
    }
  }
  return bytes > max;
}
