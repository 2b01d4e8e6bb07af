import { BlockList, isIP } from 'node:net';
import { commonConfig, env, limitConfig, secret } from '@parley/service-kit';
import { limits, times, type IceServer, type Limits } from '@parley/contracts';
import { z } from 'zod';

const scale = z
  .string()
  .regex(/^\d+(\.\d+)?$/, 'must be a positive number')
  .transform(Number)
  .pipe(z.number().positive().max(1_000_000));

const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text;
const originList = z.string().transform((text) => text.split(',').map((origin) => origin.trim()));
const origins = originList.refine(
  (list) => (list.length === 1 && list[0] === '*') || list.every(isOrigin),
  'must be * or origins like https://chat.example.org, separated by commas',
);
const listedOrigins = originList.refine(
  // They go into a header, where other characters that a host name may have would mean something else.
  (list) => list.every((origin) => isOrigin(origin) && /^https?:\/\/[\w.:[\]-]+$/.test(origin)),
  'must be origins like https://intranet.example.org, separated by commas',
);

const hosts = z
  .string()
  .transform((text) => text.split(',').map((host) => host.trim().toLowerCase()))
  .refine(
    (list) => list.every((host) => /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)),
    'must be host names like chat.example.org, without ports, separated by commas',
  );

/** First segments of the gateway's own paths. Below one of them, its own paths and those of the proxy would mix. */
const reservedSegments = new Set(['api', 'health', 'metrics', 'socket.io', '.well-known']);
/** Only characters that neither browsers nor proxies encode or decode, and no segment that they resolve. */
const basePath = z
  .string()
  .regex(/^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/, 'must be a path like /chat, without a slash at the end')
  .refine(
    (path) => !reservedSegments.has((path.split('/')[1] ?? '').toLowerCase()),
    `must not begin with ${[...reservedSegments].map((segment) => `/${segment}`).join(', ')}`,
  );

/** The proxies whose `X-Forwarded-For` is believed: a number of them in front, or their networks. */
export type TrustedProxies = number | BlockList;
const MAX_PROXIES = 16;

/** Throws when the text is neither an address nor a network in CIDR notation. */
function addNetwork(list: BlockList, text: string): void {
  const [address = '', length] = text.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const bits = family === 'ipv6' ? 128 : 32;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) throw new Error('not a length');
  list.addSubnet(address, length === undefined ? bits : Number(length), family);
}
const proxies = z.string().transform((text, context): TrustedProxies => {
  if (/^\d{1,2}$/.test(text) && Number(text) <= MAX_PROXIES) return Number(text);
  const list = new BlockList();
  try {
    for (const network of text.split(',')) addNetwork(list, network.trim());
    return list;
  } catch {
    context.addIssue(`must be a number up to ${MAX_PROXIES}, or networks like 10.0.0.0/8,::1, separated by commas`);
    return z.NEVER;
  }
});

const iceServer = z
  .strictObject({
    urls: z
      .union([z.string(), z.array(z.string()).min(1).max(8)])
      .transform((urls) => [urls].flat())
      .pipe(
        z.array(
          z
            .string()
            .max(500)
            .regex(
              /^(?:stuns?|turns?):[\w.:[\]-]+(?:\?transport=(?:udp|tcp))?$/,
              'must be like stun:host:port or turns:host',
            ),
        ),
      ),
    username: z.string().max(500).optional(),
    credential: z.string().max(500).optional(),
  })
  .refine(
    ({ urls, username, credential }) =>
      urls.every((url) => url.startsWith('stun')) || (username !== undefined && credential !== undefined),
    'a TURN server needs username and credential',
  );
const MAX_ICE_SERVERS = 8;
const iceServers = z.string().transform((text, context): IceServer[] => {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    context.addIssue('must be a list in JSON');
    return z.NEVER;
  }
  const { data, error } = z.array(iceServer).max(MAX_ICE_SERVERS).safeParse(list);
  if (data)
    return data.map(({ urls, username, credential }) => ({
      urls,
      ...(username !== undefined && { username }),
      ...(credential !== undefined && { credential }),
    }));
  // The values may be secrets: only their place is told.
  for (const { path, message } of error.issues) context.addIssue(`${path.join('.')}: ${message}`);
  return z.NEVER;
});

/** The configuration of the gateway, in both modes. */
export const gatewayConfig = {
  ...commonConfig,
  ...limitConfig,
  PORT: env.port.default(3000).describe('Port of HTTP and Socket.IO'),
  HOST: env.host.default('0.0.0.0').describe('Address to listen on'),
  ALLOWED_ORIGINS: origins
    .default([])
    .describe(
      'Origins whose pages may use HTTP and sockets besides the gateway’s own, separated by commas; * allows all. Clients that are no browsers send no Origin and are always allowed',
    ),
  EMBED_ORIGINS: listedOrigins
    .default([])
    .describe(
      'Origins whose pages may show the web app in a frame, separated by commas. They need not be in ALLOWED_ORIGINS for that. Without it, none may',
    ),
  PUBLIC_URL: env
    .url('http', 'https')
    .refine((text) => {
      const { username, password, search } = new URL(text);
      return `${username}${password}${search}` === '';
    }, 'must have neither an account nor a query')
    .optional()
    .describe(
      'Address under which browsers know the gateway, such as https://chat.example.org. Its origin is allowed, and its host is one of ALLOWED_HOSTS',
    ),
  ALLOWED_HOSTS: hosts
    .default([])
    .describe(
      'Host names under which the gateway answers, separated by commas, against DNS rebinding. IP addresses and localhost always pass. Without it and PUBLIC_URL, every name does',
    ),
  TRUST_PROXY: proxies
    .default(0)
    .describe(
      'The proxies in front whose X-Forwarded-For is trusted: their number, or their addresses and networks like 10.0.0.0/8,::1. 0: the address of the TCP connection counts',
    ),
  BASE_PATH: basePath
    .default('')
    .describe(
      'Path under which everything is served, such as /chat, when a reverse proxy passes only that on, unchanged. /health/ stays at the root too. Not below /api, /health, /metrics, /socket.io or /.well-known',
    ),
  PUBLIC_METRICS: env.flag
    .default(false)
    .describe('Whether PORT serves /metrics too, to everybody. The health port always does'),
  ADDRESS_LIMIT_SCALE: scale.default(1).describe('Multiplies the rates per address'),
  USER_LIMIT_SCALE: scale.default(1).describe('Multiplies the rates per user'),
  ICE_SERVERS: secret(
    iceServers.default([]),
    'Servers that help browsers to connect directly to each other (STUN, TURN), told to everybody who is signed in: a JSON list like [{"urls":["turn:turn.example.org:3478"],"username":"u","credential":"c"}]. Without any, direct connections work in one network',
  ),
  UNKNOWN_FILES: env.flag
    .default(true)
    .describe(
      'Whether files of kinds that are not recognised are accepted, as downloads of type application/octet-stream. HTML, SVG and programs are refused in any case',
    ),
  FILES_DIR: z
    .string()
    .optional()
    .describe(
      'Folder of attachments and of uploads in progress; with S3_BUCKET of the latter only. Default: `files` in DATA_DIR, for a gateway process ./data/files. Gateways without S3_BUCKET must share it',
    ),
  S3_BUCKET: z
    .string()
    .optional()
    .describe('S3 bucket of attachments, instead of the folder; it must exist and be private'),
  S3_ENDPOINT: env
    .url('http', 'https')
    .optional()
    .describe('Address of an S3-compatible store other than Amazon’s, such as MinIO'),
  S3_REGION: z.string().default('us-east-1').describe('Region of the bucket'),
  S3_ACCESS_KEY_ID: secret(
    z.string().optional(),
    'Access key of the bucket; without it the machine’s role or profile is used',
  ),
  S3_SECRET_ACCESS_KEY: secret(z.string().optional(), 'Secret of that key'),
  CALL_DEADLINE_MS: env
    .integer(100, 9_000)
    .default(times.deadlineMs)
    .describe('Maximum time that a call waits for the services behind the gateway'),
};

/** The values of {@link gatewayConfig}. A class, so that Nest injects it by type; it is never instantiated. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface GatewayConfig extends Readonly<z.output<z.ZodObject<typeof gatewayConfig>>> {}
export abstract class GatewayConfig {}

/** How many processes and servers there are, as clients are told. A class, so that Nest injects it by type. */
export class DeploymentMode {
  constructor(readonly name: 'embedded' | 'standalone' | 'cluster') {}
}

/** The limits of this deployment, as clients are told. */
export const limitsOf = (config: GatewayConfig): Limits => ({
  bodyBytes: config.LIMIT_BODY_BYTES,
  packetBytes: config.LIMIT_PACKET_BYTES,
  attachmentBytes: config.LIMIT_ATTACHMENT_BYTES,
  uploadBytes: config.LIMIT_UPLOAD_BYTES,
  membersPerGroup: config.LIMIT_MEMBERS_PER_GROUP,
  pageSize: config.LIMIT_PAGE_SIZE,
  socketsPerUser: config.LIMIT_SOCKETS_PER_USER,
  presenceWatches: config.LIMIT_PRESENCE_WATCHES,
  messagesPerSecond: limits.messagesPerSecond * config.USER_LIMIT_SCALE,
  messageBurst: Math.round(limits.messageBurst * config.USER_LIMIT_SCALE),
  receiptsToAllUpTo: config.LIMIT_RECEIPTS_TO_ALL_UP_TO,
});

/** The configuration of a gateway that is a process of its own. */
export const gatewayProcessConfig = {
  ...gatewayConfig,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis of the connection registry and the rates'),
};
