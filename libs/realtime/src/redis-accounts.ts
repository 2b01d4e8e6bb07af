/**
 * The permissions of each service's account on Redis, and the ACL that grants them. Its account on RabbitMQ is in
 * `libs/broker`.
 */
import { createHash } from 'node:crypto';
import { accountName, type Account } from '@parley/broker';
import { secret } from '@parley/service-kit';
import { z } from 'zod';

/** Key patterns, and commands, both as in Redis' ACL. Everything else is refused. */
interface RedisRights {
  readonly keys: string;
  readonly commands: string;
}

const locateUsers = { keys: '~parley:at:born %R~parley:at:{*', commands: 'info eval time get set zrange' };
const writeTraces = { keys: '~parley:trace:*', commands: 'hset pexpire' };
const readTraces = { keys: '%R~parley:trace:*', commands: 'hgetall' };
const both = (one: RedisRights, other: RedisRights): RedisRights => ({
  keys: `${one.keys} ${other.keys}`,
  commands: `${one.commands} ${other.commands}`,
});

/** The rights of every account on Redis. Services that are not in it have no account. */
export const redisRights: Readonly<Partial<Record<Account, RedisRights>>> = {
  gateway: {
    keys: '~parley:at:* ~parley:limit:* ~parley:bucket:* ~parley:trace:*',
    commands:
      'info eval evalsha multi exec time get set del incrby pttl expire pexpire hset zadd zcard zrange zrem zremrangebyscore zscore',
  },
  messages: both(locateUsers, writeTraces),
  history: both(locateUsers, readTraces),
  presence: {
    keys: '~parley:presence:*',
    commands: 'info eval time get set exists pexpire zadd zrange zrangebyscore zrem zremrangebyscore',
  },
};

/** The accounts that {@link redisUsers} creates, with their passwords. */
export interface RedisAccounts {
  /** The account that may do everything. */
  readonly operator?: { readonly name: string; readonly password: string };
  readonly passwords: Readonly<Partial<Record<Account, string>>>;
}

/**
 * The lines of an ACL file for Redis 7. The nameless account is off. Passwords are in it as hashes; a service without a
 * password here gets no account.
 */
export function redisUsers({ operator, passwords }: RedisAccounts): string[] {
  const services = (Object.entries(redisRights) as [Account, RedisRights][]).flatMap(([account, rights]) => {
    const password = passwords[account];
    if (password === undefined) return [];
    const commands = rights.commands.split(' ').map((command) => `+${command}`);
    return [`user ${accountName(account)} reset on ${hashed(password)} ${rights.keys} ${commands.join(' ')}`];
  });
  return [
    'user default off',
    ...(operator ? [`user ${operator.name} reset on ${hashed(operator.password)} ~* &* +@all`] : []),
    ...services,
  ];
}

const hashed = (password: string): string => `#${createHash('sha256').update(password, 'utf8').digest('hex')}`;

const password = (of: string) => secret(z.string(), `Password of ${of}`);

/** Configuration of the job that writes Redis' accounts. */
export const redisAccountsConfig = {
  ACCOUNTS_DIR: z.string().describe('Folder of the file, made when missing'),
  OPERATOR: z.string().default('parley').describe('Name of the account that may do everything'),
  REDIS_PASSWORD: password('the operator, on Redis'),
  GATEWAY_REDIS_PASSWORD: password('the gateway, on Redis'),
  MESSAGES_REDIS_PASSWORD: password('messages, on Redis'),
  HISTORY_REDIS_PASSWORD: password('history, on Redis'),
  PRESENCE_REDIS_PASSWORD: password('presence, on Redis'),
};
