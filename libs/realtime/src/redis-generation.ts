import { times } from '@parley/contracts';
import type { RedisConnection } from './redis-connection.js';

/** How long after a loss of data every gateway has had the time to renew its entries, in milliseconds. */
const SETTLE_MS = times.renewMs + 4000;

const script = `
local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)
local born, run = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.*)$')
if run ~= ARGV[1] then born = now redis.call('SET', KEYS[1], string.format('%d', now) .. ' ' .. ARGV[1]) end
return {now, tonumber(born)}`;

/**
 * Since when the data in Redis are whole. A key holds that time and the run of the server in which it was written. When the key is missing (Redis was flushed) or names another run (Redis restarted, or a
 * replica took over, with data that may be old), the data are whole since now. Send `command()` in a pipeline, and give its answer to the other methods.
 */
export class RedisGeneration {
  private first: number | undefined;

  /** @param settleMs How long after a loss missing data may still be restored. */
  constructor(
    private readonly connection: RedisConnection,
    private readonly name: string,
    private readonly settleMs: number = SETTLE_MS,
  ) {}

  command(): (string | number)[] {
    return ['eval', script, 1, this.connection.prefix + this.name, this.connection.runId];
  }

  /** Milliseconds on the clock of Redis. */
  now(answer: unknown): number {
    return (answer as [number, number])[0];
  }

  /** Whether the data were whole for so long that everything that can be restored was. */
  isSettled(answer: unknown): boolean {
    const [now, born] = answer as [number, number];
    return now - born >= this.settleMs;
  }

  /** Whether data were lost after the first answer that was read here, and may not be restored yet. An empty Redis at the start is no loss: nothing was in it. */
  isLost(answer: unknown): boolean {
    const [, born] = answer as [number, number];
    this.first ??= born;
    return born !== this.first && !this.isSettled(answer);
  }
}
