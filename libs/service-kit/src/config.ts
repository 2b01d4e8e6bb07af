import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { limitBounds, limits, type LimitName } from '@parley/contracts';
import { z } from 'zod';

/** The configuration is wrong. `problems` are for the operator; none contains a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`configuration: ${problems.join('; ')}`);
  }
}

const flag = z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1');
const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().min(min).max(max));

/** Whether a text is an IP address, or a host name whose last label is no number. */
const isHost = (text: string): boolean =>
  isIP(text) > 0 ||
  (text.length <= 253 && /^(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-|\d+$)[a-z0-9_-]{1,63}(?<!-)$/i.test(text));

/** Whether a text is an address as it is meant: URL parsers drop, add and encode a lot before they refuse anything. */
function isAddress(text: string, schemes: readonly string[]): boolean {
  const [, scheme = ''] = /^([a-z]+):\/\/[^/?#@]/.exec(text) ?? [];
  // White space, control characters, a fragment and backslashes are remains of a line, not parts of an address.
  // oxlint-disable-next-line no-control-regex
  if (!schemes.includes(scheme) || /[\s\u0000-\u001f\u007f#\\]/.test(text) || !URL.canParse(text)) return false;
  const { hostname, port } = new URL(text);
  return hostname !== '' && port !== '0';
}

/** Parts of configuration schemas: they turn the text of an environment variable into a typed value. */
export const env = {
  flag,
  integer,
  port: integer(0, 65_535),
  host: z.string().refine(isHost, 'must be an IP address, without brackets, or a host name'),
  url: (...schemes: string[]) =>
    z
      .string()
      .refine((text) => isAddress(text, schemes), {
        error: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}, has a host, and has neither white space nor a fragment`,
        abort: true,
      }),
};

/** The variables of every service. */
export const commonConfig = {
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Lowest level that is logged'),
  HEALTH_PORT: env.port
    .default(0)
    .describe('Port of /health/live, /health/ready and /metrics of a service; 0 picks a free one'),
  HEALTH_HOST: env.host.default('127.0.0.1').describe('Address that the health port listens on'),
  SHARDS: env
    .integer(1, 256)
    .refine((count) => 256 % count === 0, 'must be a power of two')
    .default(16)
    .describe('Shard queues of the messages service; the same everywhere'),
  SHUTDOWN_GRACE_MS: env
    .integer(0, 300_000)
    .default(10_000)
    .describe('The longest that a stop waits for work under way, in milliseconds'),
  OTEL_EXPORTER_OTLP_ENDPOINT: env
    .url('http', 'https')
    .optional()
    .describe(
      'Collector of OpenTelemetry traces (OTLP over HTTP), such as http://jaeger:4318. Without it no traces are made',
    ),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be between 0 and 1')
    .transform(Number)
    .default(1)
    .describe('Share of the traces that are exported, from 0 to 1; the same everywhere'),
};

const limit = (name: LimitName, description: string) =>
  env
    .integer(limitBounds[name].min, limitBounds[name].max)
    .default(limits[name])
    .describe(`${description}, from ${limitBounds[name].min} to ${limitBounds[name].max}; the same everywhere`);
/**
 * The limits that `session:ready` tells. Services take those that they enforce, the gateway all of them, because it tells
 * them.
 */
export const limitConfig = {
  LIMIT_BODY_BYTES: limit('bodyBytes', 'Bytes of a message body'),
  LIMIT_PACKET_BYTES: limit('packetBytes', 'Bytes of a socket packet and of an HTTP body'),
  LIMIT_ATTACHMENT_BYTES: limit('attachmentBytes', 'Bytes of an attachment that is sent in one piece'),
  LIMIT_UPLOAD_BYTES: limit('uploadBytes', 'Bytes of an attachment that is uploaded in parts (tus)'),
  LIMIT_MEMBERS_PER_GROUP: limit('membersPerGroup', 'Members of a conversation'),
  LIMIT_PAGE_SIZE: limit('pageSize', 'Items of a page'),
  LIMIT_SOCKETS_PER_USER: limit('socketsPerUser', 'Sockets of a user; one more closes the oldest'),
  LIMIT_PRESENCE_WATCHES: limit('presenceWatches', 'Users whose presence a connection watches'),
  LIMIT_RECEIPTS_TO_ALL_UP_TO: limit(
    'receiptsToAllUpTo',
    'Members of a conversation up to which all of them get receipts; beyond, the senders',
  ),
};

/**
 * Marks a variable as secret; must be the outermost call, after `optional` and `default`. A secret may also be given as
 * the path of a file that contains it, in `<NAME>_FILE`, as Docker and Kubernetes mount secrets.
 */
export const secret = <T extends z.ZodType>(field: T, description: string): T =>
  field.meta({ description, secret: true });
/** Whether {@link secret} marked the variable. */
export const isSecret = (field: z.ZodType): boolean => field.meta()?.['secret'] === true;

/** Secrets are short; a larger file is a mistake. */
const MAX_SECRET_BYTES = 65_536;

/** Returns the text of a secret's file, without the line break at its end. Throws a problem in words for operators. */
function readSecret(path: string): string {
  try {
    if (statSync(path).size > MAX_SECRET_BYTES) throw new Error(`is longer than ${MAX_SECRET_BYTES} bytes`);
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`names a file that ${code === undefined ? message : `cannot be read (${code})`}`, { cause: error });
  }
}

/** Reads each variable from the environment, or from the file that it names. */
function readValues(
  shape: z.ZodRawShape,
  source: NodeJS.ProcessEnv,
): { values: Record<string, string | undefined>; problems: Map<string, string> } {
  const problems = new Map<string, string>();
  const given = (name: string): string | undefined => (source[name] === '' ? undefined : source[name]);
  const valueOf = (name: string, field: z.ZodType): string | undefined => {
    const [value, path] = [given(name), isSecret(field) ? given(`${name}_FILE`) : undefined];
    if (path === undefined) return value;
    if (value !== undefined) problems.set(name, `${name}: is given twice, by itself and by ${name}_FILE`);
    try {
      return value ?? (readSecret(path) || undefined);
    } catch (error) {
      problems.set(name, `${name}_FILE: ${(error as Error).message}`);
      return undefined;
    }
  };
  return {
    values: Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, valueOf(name, field as z.ZodType)])),
    problems,
  };
}

/**
 * Reads a configuration from the environment, and from the files that it names for secrets. The result is typed and
 * frozen. Empty variables and files count as unset. Throws a {@link ConfigError} with all problems at once, and never
 * with a variable's value, which may be secret.
 */
export function loadConfig<T extends z.ZodRawShape>(
  shape: T,
  source: NodeJS.ProcessEnv = process.env,
): Readonly<z.output<z.ZodObject<T>>> {
  const { values, problems } = readValues(shape, source);
  const result = z.object(shape).safeParse(values);
  if (result.success && problems.size === 0) return Object.freeze(result.data);
  for (const { path, message } of result.error?.issues ?? []) {
    const name = String(path[0]);
    if (!problems.has(name))
      problems.set(name, `${path.join('.')}: ${values[name] === undefined ? 'is required' : message}`);
  }
  throw new ConfigError([...problems.values()]);
}

/** The environment of this process, for programs that check it without loading a configuration. */
export const processEnvironment = (): NodeJS.ProcessEnv => process.env;
