import { limits } from '@parley/contracts';
import {
  commonConfig,
  env,
  limitConfig,
  secret,
  secretKeyConfig,
  secretKeysOf,
  type SecretKeys,
} from '@parley/service-kit';
import { databaseUrl } from '@parley/store';
import type { z } from 'zod';

/** Settings of the messages service in both modes, as environment variables. */
export const messagesSettings = {
  ...secretKeyConfig,
  LIMIT_MEMBERS_PER_GROUP: limitConfig.LIMIT_MEMBERS_PER_GROUP,
  QUOTA_BYTES: env
    .integer(0, Number.MAX_SAFE_INTEGER)
    .default(5 * 1024 ** 3)
    .describe('Bytes of attachments that each user may have stored'),
  WEBHOOKS_ALLOW_PRIVATE: env.flag
    .default(false)
    .describe(
      'Allows webhooks to private addresses and over plain http. Only for trying out on one machine: with it, every admin of a conversation can reach what this process can reach',
    ),
};

/** Configuration of the messages service as a process of its own. */
export const messagesConfig = {
  ...commonConfig,
  ...messagesSettings,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  DATABASE_URL: secret(databaseUrl, 'Postgres, as role parley_messages'),
  REDIS_URL: secret(env.url('redis', 'rediss'), 'Redis, where the gateways register their connections'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Database connections of one replica at most'),
};

/** Settings of the messages service; a class, so that Nest injects it by type. */
export abstract class Settings {
  /** Encrypt the secrets of webhooks in the database. */
  abstract readonly secretKeys: SecretKeys;
  abstract readonly quotaBytes: number;
  abstract readonly membersPerGroup: number;
  abstract readonly webhooks: WebhookSettings;
}
/** Times in milliseconds. */
export interface WebhookSettings {
  readonly allowPrivate: boolean;
  /** The wait after the first failed attempt. Each further wait is about four times as long. */
  readonly retryMs: number;
  /** Maximum duration of one attempt. */
  readonly timeoutMs: number;
  /** Interval of looking for deliveries queued by other replicas, and for retries. */
  readonly pollMs: number;
  /** The time for which a webhook that keeps failing is not attempted. */
  readonly probeMs: number;
}

export const defaultSettings: Settings = Object.freeze({
  secretKeys: {},
  quotaBytes: 5 * 1024 ** 3,
  membersPerGroup: limits.membersPerGroup,
  webhooks: { allowPrivate: false, retryMs: 10_000, timeoutMs: 10_000, pollMs: 2_000, probeMs: 30_000 },
});

/** The settings that the environment gives. */
export const settingsOf = (config: Readonly<z.output<z.ZodObject<typeof messagesSettings>>>): Settings => ({
  secretKeys: secretKeysOf(config),
  quotaBytes: config.QUOTA_BYTES,
  membersPerGroup: config.LIMIT_MEMBERS_PER_GROUP,
  webhooks: { ...defaultSettings.webhooks, allowPrivate: config.WEBHOOKS_ALLOW_PRIVATE },
});
