import { env } from '@parley/service-kit';
import type { z } from 'zod';

/** What the messages service can be told, in both modes. */
export const messagesSettings = {
  QUOTA_BYTES: env
    .integer(0, Number.MAX_SAFE_INTEGER)
    .default(5 * 1024 ** 3)
    .describe('Bytes of attachments that each user may have stored'),
  WEBHOOKS_ALLOW_PRIVATE: env.flag
    .default(false)
    .describe(
      'Lets webhooks lead to private addresses and over plain http. For trying out on one machine only: with it, whoever administers a conversation reaches what this process reaches',
    ),
};

export interface Settings {
  readonly quotaBytes: number;
  readonly webhooks: WebhookSettings;
}
/** Times in milliseconds. */
export interface WebhookSettings {
  readonly allowPrivate: boolean;
  /** After the first failure; each further one waits about four times as long. */
  readonly retryMs: number;
  readonly timeoutMs: number;
  /** How often the queue is looked at for what other replicas put there, or what is to be tried again. */
  readonly pollMs: number;
}

type Configured = Readonly<z.output<z.ZodObject<typeof messagesSettings>>>;
/** The settings as the environment gave them. */
export const settingsOf = (config: Configured): Settings => ({
  quotaBytes: config.QUOTA_BYTES,
  webhooks: { ...defaultSettings.webhooks, allowPrivate: config.WEBHOOKS_ALLOW_PRIVATE },
});
export const defaultSettings: Settings = Object.freeze({
  quotaBytes: 5 * 1024 ** 3,
  webhooks: { allowPrivate: false, retryMs: 10_000, timeoutMs: 10_000, pollMs: 2_000 },
});

/** What the module gives its classes. */
export const SETTINGS = Symbol('settings');
