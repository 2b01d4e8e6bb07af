/**
 * The permissions of each service's account on RabbitMQ, and the definitions that grant them. Its account on Redis is
 * in `libs/realtime`, its database role in the migrations of `libs/store`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { names, type DomainEventName, type Service } from '@parley/contracts';
import { secret } from '@parley/service-kit';
import { z } from 'zod';
import { shared } from './topology.js';

/** A process that has accounts of its own on the shared servers: a service, or the gateway. */
export type Account = Service | 'gateway';

/**
 * A service declares and consumes the queues that begin with its name, and its replies; it sends requests to the
 * services that it asks, publishes the events that happen in it, and receives the events that it handles. It may do
 * nothing else.
 */
interface RabbitRights {
  /** Services to which it sends queries, and with `commands` also commands. */
  readonly asks: readonly Service[];
  readonly commands?: true;
  readonly publishes: readonly DomainEventName[];
  readonly hears: readonly DomainEventName[];
  /** Whether it sends frames to gateways. */
  readonly pushes: boolean;
}

/** The rights of every account on RabbitMQ. A service that publishes or handles something else needs an entry here. */
export const rabbitRights: Readonly<Record<Account, RabbitRights>> = {
  gateway: {
    asks: ['auth', 'messages', 'history', 'presence'],
    commands: true,
    publishes: ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'],
    hears: ['session.revoked.v1', 'user.updated.v1', 'block.changed.v1', 'contact.removed.v1'],
    pushes: true,
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
      'contact.removed.v1',
    ],
    hears: ['message.created.v1', 'message.updated.v1', 'member.changed.v1', 'conversation.updated.v1'],
    pushes: true,
  },
  history: {
    asks: ['auth'],
    publishes: ['receipt.updated.v1'],
    hears: ['message.created.v1', 'message.updated.v1', 'conversation.deleted.v1'],
    pushes: true,
  },
  presence: {
    asks: ['history'],
    publishes: ['presence.changed.v1'],
    hears: ['connection.opened.v1', 'connection.closed.v1', 'connections.renewed.v1'],
    pushes: true,
  },
};

/** The name of a service's account, on RabbitMQ and on Redis. */
export const accountName = (account: Account | 'monitor'): string => `parley-${account}`;

/** The accounts that {@link rabbitDefinitions} creates, with their passwords. */
export interface RabbitAccounts {
  readonly vhost: string;
  /** The account that may do everything. */
  readonly operator?: { readonly name: string; readonly password: string };
  /** Of an account that reads the lengths of queues over HTTP, and none of their messages. */
  readonly monitorPassword?: string;
  readonly passwords: Readonly<Record<Account, string>>;
}

/**
 * Definitions for RabbitMQ (`load_definitions`, `rabbitmqctl import_definitions`, or POST to `/api/definitions`): the
 * virtual host, the accounts, and what all services share, which none of them may declare. Passwords are in it as
 * salted hashes.
 */
export function rabbitDefinitions({ vhost, operator, monitorPassword, passwords }: RabbitAccounts): object {
  const accounts = Object.keys(rabbitRights) as Account[];
  return {
    vhosts: [{ name: vhost }],
    users: [
      ...(operator ? [rabbitUser(operator.name, operator.password, 'administrator')] : []),
      ...(monitorPassword === undefined ? [] : [rabbitUser(accountName('monitor'), monitorPassword, 'monitoring')]),
      ...accounts.map((account) => rabbitUser(accountName(account), passwords[account], '')),
    ],
    permissions: [
      ...(operator ? [{ user: operator.name, vhost, configure: '.*', write: '.*', read: '.*' }] : []),
      ...(monitorPassword === undefined
        ? []
        : [{ user: accountName('monitor'), vhost, configure: '^$', write: '^$', read: '^$' }]),
      ...accounts.map((account) => ({ user: accountName(account), vhost, ...permissionsOf(account) })),
    ],
    topic_permissions: accounts.flatMap((account) =>
      topicPermissionsOf(account).map((permission) => ({ user: accountName(account), vhost, ...permission })),
    ),
    exchanges: Object.entries(shared.exchanges).map(([name, type]) => ({
      name,
      type,
      vhost,
      durable: true,
      auto_delete: false,
      internal: false,
      arguments: {},
    })),
    queues: [{ name: names.dead, vhost, auto_delete: false, ...shared.dead }],
    bindings: [
      { source: names.dead, vhost, destination: names.dead, destination_type: 'queue', routing_key: '', arguments: {} },
    ],
  };
}

const exactly = (...patterns: string[]): string => (patterns.length === 0 ? '^$' : `^(${patterns.join('|')})$`);
const literally = (name: string): string => name.replaceAll('.', String.raw`\.`);

/**
 * By name of exchanges and queues: `configure` for declaring and deleting; `write` for publishing, and binding a queue;
 * `read` for consuming, and binding to an exchange.
 */
function permissionsOf(account: Account): { configure: string; write: string; read: string } {
  const { hears, pushes } = rabbitRights[account];
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

/** By routing key on topic exchanges: `write` for publishing, `read` for binding. */
function topicPermissionsOf(account: Account): { exchange: string; write: string; read: string }[] {
  const { asks, commands, publishes, hears } = rabbitRights[account];
  const asked = asks.map(
    (service) => String.raw`${service}\.${commands ? String.raw`(queries|commands(\.\d+)?)` : 'queries'}`,
  );
  // Probes of its shards, commands to itself, and events that wait for another try.
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

const password = (of: string) => secret(z.string(), `Password of ${of}`);

/** Configuration of the job that writes RabbitMQ's accounts. */
export const rabbitAccountsConfig = {
  ACCOUNTS_DIR: z.string().describe('Folder of the files, made when missing'),
  RABBITMQ_VHOST: z.string().default('/').describe('Virtual host of RabbitMQ'),
  OPERATOR: z.string().default('parley').describe('Name of the account that may do everything'),
  RABBITMQ_PASSWORD: password('the operator, on RabbitMQ'),
  GATEWAY_AMQP_PASSWORD: password('the gateway, on RabbitMQ'),
  AUTH_AMQP_PASSWORD: password('auth, on RabbitMQ'),
  MESSAGES_AMQP_PASSWORD: password('messages, on RabbitMQ'),
  HISTORY_AMQP_PASSWORD: password('history, on RabbitMQ'),
  PRESENCE_AMQP_PASSWORD: password('presence, on RabbitMQ'),
};
