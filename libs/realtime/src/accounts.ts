/**
 * What the account of each service may do on RabbitMQ and Redis: the one table, in two spellings. Everything else is refused to it. Its database role is in the
 * migrations of `libs/store`.
 *
 * On RabbitMQ a service declares and consumes the queues that begin with its name, and its replies; commands whom it asks; publishes what happens in it, and hears what it
 * handles. On Redis it has its own keys, and only the commands that the code uses. The operator's account may do everything.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sharedTopology } from '@parley/broker';
import { names, type DomainEventName, type Service } from '@parley/contracts';

export type Account = Service | 'gateway';

interface Rights {
  /** Services whose requests it makes, in queries alone or in commands too. */
  readonly asks: readonly Service[];
  readonly commands?: true;
  readonly publishes: readonly DomainEventName[];
  readonly hears: readonly DomainEventName[];
  /** Whether it sends frames to gateways. */
  readonly pushes: boolean;
  /** Key patterns as in Redis' ACL, and commands. */
  readonly redis?: { readonly keys: string; readonly commands: string };
}

const locating = { keys: '~parley:at:born %R~parley:at:{*', commands: 'info eval time get set zrange' };
/** Notes what happens to messages, or only reads it. */
const noting = { keys: '~parley:trace:*', commands: 'hset pexpire' };
const tracing = { keys: '%R~parley:trace:*', commands: 'hgetall' };
const both = (one: { keys: string; commands: string }, other: { keys: string; commands: string }) => ({
  keys: `${one.keys} ${other.keys}`,
  commands: `${one.commands} ${other.commands}`,
});

export const accounts: Readonly<Record<Account, Rights>> = {
  gateway: {
    asks: ['auth', 'messages', 'history', 'presence'],
    commands: true,
    publishes: ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'],
    hears: ['session.revoked.v1', 'block.changed.v1'],
    pushes: true,
    redis: {
      keys: '~parley:at:* ~parley:limit:* ~parley:bucket:* ~parley:trace:*',
      commands:
        'info eval evalsha multi exec time get set del incrby pttl expire pexpire hset zadd zcard zrange zrem zremrangebyscore zscore',
    },
  },
  auth: { asks: ['messages'], publishes: ['session.revoked.v1', 'user.updated.v1'], hears: [], pushes: false },
  messages: {
    asks: ['auth'],
    publishes: [
      'conversation.created.v1',
      'conversation.updated.v1',
      'conversation.deleted.v1',
      'member.changed.v1',
      'message.created.v1',
      'message.updated.v1',
      'block.changed.v1',
    ],
    hears: ['message.created.v1', 'message.updated.v1', 'member.changed.v1', 'conversation.updated.v1'],
    pushes: true,
    redis: both(locating, noting),
  },
  history: {
    asks: ['auth'],
    publishes: ['receipt.updated.v1'],
    hears: ['message.created.v1', 'message.updated.v1', 'conversation.deleted.v1'],
    pushes: true,
    redis: both(locating, tracing),
  },
  presence: {
    asks: ['history'],
    publishes: ['presence.changed.v1'],
    hears: ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'],
    pushes: true,
    redis: {
      keys: '~parley:presence:*',
      commands: 'info eval time get set exists pexpire zadd zrange zrangebyscore zrem zremrangebyscore',
    },
  },
};

/** The name of a service's account, on either server. */
export const accountName = (account: Account | 'monitor'): string => `parley-${account}`;

export interface RabbitAccounts {
  readonly vhost: string;
  /** Name and password of the account that may do everything. */
  readonly operator?: { readonly name: string; readonly password: string };
  /** Of an account that sees how long queues are, over HTTP, and nothing that is in them. */
  readonly monitorPassword?: string;
  readonly passwords: Readonly<Record<Account, string>>;
}

/**
 * Definitions for RabbitMQ (`load_definitions`, `rabbitmqctl import_definitions`, or POST to `/api/definitions`): the virtual host, the accounts, and what all share, which no
 * service may declare. Passwords are in it as salted hashes.
 */
export function rabbitDefinitions({ vhost, operator, monitorPassword, passwords }: RabbitAccounts): object {
  const given = Object.keys(accounts) as Account[];
  return {
    vhosts: [{ name: vhost }],
    users: [
      ...(operator ? [rabbitUser(operator.name, operator.password, 'administrator')] : []),
      ...(monitorPassword === undefined ? [] : [rabbitUser(accountName('monitor'), monitorPassword, 'monitoring')]),
      ...given.map((account) => rabbitUser(accountName(account), passwords[account], '')),
    ],
    permissions: [
      ...(operator ? [{ user: operator.name, vhost, configure: '.*', write: '.*', read: '.*' }] : []),
      ...(monitorPassword === undefined
        ? []
        : [{ user: accountName('monitor'), vhost, configure: '^$', write: '^$', read: '^$' }]),
      ...given.map((account) => ({ user: accountName(account), vhost, ...permissionsOf(account) })),
    ],
    topic_permissions: given.flatMap((account) =>
      topicPermissionsOf(account).map((permission) => ({ user: accountName(account), vhost, ...permission })),
    ),
    exchanges: Object.entries(sharedTopology.exchanges).map(([name, type]) => ({
      name,
      type,
      vhost,
      durable: true,
      auto_delete: false,
      internal: false,
      arguments: {},
    })),
    queues: [{ name: names.dead, vhost, auto_delete: false, ...sharedTopology.dead }],
    bindings: [
      { source: names.dead, vhost, destination: names.dead, destination_type: 'queue', routing_key: '', arguments: {} },
    ],
  };
}

const exactly = (...patterns: string[]): string => (patterns.length === 0 ? '^$' : `^(${patterns.join('|')})$`);
const literally = (name: string): string => name.replaceAll('.', String.raw`\.`);

/** Exchanges and queues by name: what it declares and deletes; what it publishes to, and binds; what it consumes, and binds to. */
function permissionsOf(account: Account): { configure: string; write: string; read: string } {
  const { hears, pushes } = accounts[account];
  const serves = account !== 'gateway';
  const own = [String.raw`replies\.${account}\..+`, serves ? String.raw`${account}\..+` : String.raw`push\..+`];
  const write = [
    names.commands,
    names.events,
    names.dead,
    ...(serves ? [names.replies] : []),
    ...(pushes ? [names.push] : []),
  ];
  const read = [names.replies, serves ? names.commands : names.push, ...(hears.length > 0 ? [names.events] : [])];
  return {
    configure: exactly(...own),
    write: exactly(...own, ...write.map(literally)),
    read: exactly(...own, ...read.map(literally)),
  };
}

/** Routing keys, of publishing and of binding. */
function topicPermissionsOf(account: Account): { exchange: string; write: string; read: string }[] {
  const { asks, commands, publishes, hears } = accounts[account];
  const asked = asks.map(
    (service) => String.raw`${service}\.${commands ? String.raw`(queries|commands(\.\d+)?)` : 'queries'}`,
  );
  // Probes of its shards, its own commands to itself, and events that wait for another try.
  const own = account === 'gateway' ? [] : [String.raw`${account}\..+`];
  return [
    { exchange: names.commands, write: exactly(...asked, ...own), read: exactly(...own) },
    { exchange: names.events, write: exactly(...publishes.map(literally)), read: exactly(...hears.map(literally)) },
    { exchange: names.replies, write: String.raw`^replies\..+$`, read: exactly(String.raw`replies\.${account}\..+`) },
  ];
}

function rabbitUser(name: string, password: string, tags: string): object {
  const salt = randomBytes(4);
  const hash = createHash('sha256').update(salt).update(password, 'utf8').digest();
  return {
    name,
    password_hash: Buffer.concat([salt, hash]).toString('base64'),
    hashing_algorithm: 'rabbit_password_hashing_sha256',
    tags,
  };
}

export interface RedisAccounts {
  /** Name and password of the account that may do everything. */
  readonly operator?: { readonly name: string; readonly password: string };
  readonly passwords: Readonly<Partial<Record<Account, string>>>;
}

/** The lines of an ACL file for Redis 7. The account without a name is off. Passwords are in it as hashes; a service without a password here gets no account. */
export function redisUsers({ operator, passwords }: RedisAccounts): string[] {
  const services = (Object.keys(accounts) as Account[]).flatMap((account) => {
    const [{ redis }, password] = [accounts[account], passwords[account]];
    if (!redis || password === undefined) return [];
    return [
      `user ${accountName(account)} reset on ${hashed(password)} ${redis.keys} ${redis.commands
        .split(' ')
        .map((command) => `+${command}`)
        .join(' ')}`,
    ];
  });
  return [
    'user default off',
    ...(operator ? [`user ${operator.name} reset on ${hashed(operator.password)} ~* &* +@all`] : []),
    ...services,
  ];
}

const hashed = (password: string): string => `#${createHash('sha256').update(password, 'utf8').digest('hex')}`;
