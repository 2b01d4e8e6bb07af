import { env } from '@parley/service-kit';
import type { z } from 'zod';

/** What the messages service can be told, in both modes. */
export const messagesSettings = {
  QUOTA_BYTES: env.integer(0, Number.MAX_SAFE_INTEGER).default(5 * 1024 ** 3).describe('Bytes of attachments that each user may have stored'),
};

export interface Settings {
  readonly quotaBytes: number;
}

type Configured = Readonly<z.output<z.ZodObject<typeof messagesSettings>>>;
/** The settings as the environment gave them. */
export const settingsOf = (config: Configured): Settings => ({ quotaBytes: config.QUOTA_BYTES });
export const defaultSettings: Settings = Object.freeze({ quotaBytes: 5 * 1024 ** 3 });

/** What the module gives its classes. */
export const SETTINGS = Symbol('settings');
