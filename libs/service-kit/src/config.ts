import { z } from 'zod';

/** Refuses to start: `problems` are for the person who set the variables. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`configuration: ${problems.join('; ')}`);
  }
}

const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');
const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().min(min).max(max));
/** Pieces for configuration schemas: environment text in, typed values out. */
export const env = { flag, integer, port: integer(0, 65_535), url: (...schemes: string[]) => z.url({ protocol: new RegExp(`^(${schemes.join('|')})$`), error: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}` }) };

/** What every service understands. Unset URLs mean the embedded part. */
export const commonConfig = {
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info').describe('The least level that is logged'),
  HEALTH_PORT: env.port.default(0).describe('Port of /health/live, /health/ready and /metrics of a service; 0 picks a free one'),
  HEALTH_HOST: z.string().default('127.0.0.1').describe('Address that the health port listens on'),
  SHARDS: env.integer(1, 256).refine((count) => 256 % count === 0, 'must be a power of two').default(16).describe('Shard queues of the messages service; the same everywhere'),
  SHUTDOWN_GRACE_MS: env.integer(0, 300_000).default(10_000).describe('The longest that a stop waits for work under way'),
};

/**
 * Reads a configuration from the environment: typed, frozen. Empty variables count as unset.
 * Throws {@link ConfigError} with all problems at once, and never with a variable's value (it may be a secret).
 */
export function loadConfig<T extends z.ZodRawShape>(shape: T, source: NodeJS.ProcessEnv = process.env): Readonly<z.output<z.ZodObject<T>>> {
  const values = Object.fromEntries(Object.keys(shape).map((key) => [key, source[key] === '' ? undefined : source[key]]));
  const result = z.object(shape).safeParse(values);
  if (result.success) return Object.freeze(result.data);
  throw new ConfigError(result.error.issues.map(({ path, message }) => `${path.join('.')}: ${values[String(path[0])] === undefined ? 'is required' : message}`));
}
