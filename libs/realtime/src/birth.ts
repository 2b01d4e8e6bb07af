import { times } from '@parley/contracts';
import type { RedisLink } from './redis-link.js';

/** How long after a loss every gateway has had the time to renew what it knows. */
export const SETTLE_MS = times.renewMs + 4000;

const script = `
local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)
local born, run = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.*)$')
if run ~= ARGV[1] then born = now redis.call('SET', KEYS[1], string.format('%d', now) .. ' ' .. ARGV[1]) end
return {now, tonumber(born)}`;

/**
 * Since when the data in Redis are whole: a key that says so, and in which run of the server. When it is missing (Redis was flushed) or names another run (Redis was
 * restarted, or a replica took over, with data that may be old), they are whole since now. Ask by putting `command()` into a pipeline, and read its answer here.
 */
export class Birth {
  private first: number | undefined;

  constructor(
    private readonly link: RedisLink,
    private readonly name: string,
    private readonly settleMs: number = SETTLE_MS,
  ) {}

  command(): (string | number)[] {
    return ['eval', script, 1, this.link.prefix + this.name, this.link.runId];
  }

  /** Milliseconds on the clock of Redis. */
  now(answer: unknown): number {
    return (answer as [number, number])[0];
  }

  /** Whole for so long that whatever can be restored was. */
  settled(answer: unknown): boolean {
    const [now, born] = answer as [number, number];
    return now - born >= this.settleMs;
  }

  /** Lost after the first answer that was read here, and not settled since. Unlike a start with nothing, this is a time in which what is missing may still exist. */
  lost(answer: unknown): boolean {
    const [, born] = answer as [number, number];
    this.first ??= born;
    return born !== this.first && !this.settled(answer);
  }
}
