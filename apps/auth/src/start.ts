import { startNestService } from '@parley/broker';
import type { Running } from '@parley/service-kit';
import { AppModule } from './app.module.js';
import type { authSettings } from './config.js';
import type { AuthParts, Settings } from './parts.js';

type Configured = { readonly [K in keyof typeof authSettings]: ReturnType<(typeof authSettings)[K]['parse']> };
const DAY_MS = 86_400_000;

/** The settings as the environment gave them. */
export const settingsOf = (config: Configured): Partial<Settings> => ({
  accessTokenMs: config.ACCESS_TOKEN_SECONDS * 1000,
  sessionMs: config.SESSION_DAYS * DAY_MS,
  signingKeyMs: config.SIGNING_KEY_DAYS * DAY_MS,
  passwordConcurrency: config.PASSWORD_CONCURRENCY,
  passwordQueue: config.PASSWORD_QUEUE,
  guests: config.GUESTS,
});

/** Serves accounts, sessions and profiles. Resolves once there is a signing key and its queues are consumed; `stop` ends the work under way and leaves the parts open. */
export async function startAuth(parts: AuthParts): Promise<Running> {
  const app = await startNestService(AppModule.register(parts), { ...parts, service: 'auth' });
  return { stop: () => app.close() };
}
