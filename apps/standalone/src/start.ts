import 'reflect-metadata';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { settingsOf, startAuth } from '@parley/auth';
import { startGateway } from '@parley/gateway';
import { startHistory } from '@parley/history';
import { settingsOf as messagesSettingsOf, startMessages } from '@parley/messages';
import { startPresence } from '@parley/presence';
import { demandPort, Health, StartError, type Logger, type Running } from '@parley/service-kit';
import { Closers } from './closers.js';
import type { StandaloneConfig } from './config.js';
import { openParts, type Parts } from './dependencies.js';

const READY_MS = 15_000;

export interface Standalone extends Running {
  /** For clients on this machine. */
  readonly url: string;
}

/**
 * The five services in this process, over the parts that the configuration chose. Resolves when clients can use it. Throws a {@link StartError} when it cannot start,
 * with everything closed again. `stop` has pending calls answered, sends clients away, and closes the parts last.
 */
export async function startStandalone(config: StandaloneConfig, logger: Logger): Promise<Standalone> {
  const closers = new Closers();
  const health = new Health('standalone');
  closers.open('health', health);
  try {
    // Before a database is made that nobody can reach.
    await demandPort(config.PORT, config.HOST, 'PORT');
    const parts = await openParts(config, logger, closers);
    watchParts(health, parts);
    await startServices(config, parts, logger, closers);
    const { broker, registry, limiters, traces } = parts;
    const gateway = await startGateway({
      config: { ...config, FILES_DIR: config.FILES_DIR ?? join(config.DATA_DIR, 'files') },
      broker,
      registry,
      limiters,
      traces,
      logger,
      health,
    });
    closers.add('edge', () => gateway.stop());
    if (config.HEALTH_PORT !== 0) await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
    await ready(health);
    return {
      url: gateway.url,
      stop() {
        health.drain();
        return closers.close();
      },
    };
  } catch (error) {
    await closers
      .close()
      .catch((err: unknown) => logger.error({ err }, 'could not close everything after a failed start'));
    throw error;
  }
}

async function startServices(
  config: StandaloneConfig,
  { broker, databases, registry, presence, traces }: Parts,
  logger: Logger,
  closers: Closers,
): Promise<void> {
  const graceMs = config.SHUTDOWN_GRACE_MS;
  const starting = [
    startAuth({ broker, database: databases.auth, logger, graceMs, settings: settingsOf(config) }),
    startMessages({
      broker,
      database: databases.messages,
      registry,
      traces,
      logger,
      graceMs,
      settings: messagesSettingsOf(config),
    }),
    startHistory({ broker, database: databases.history, registry, traces, logger, graceMs }),
    startPresence({ broker, store: presence, logger, graceMs }),
  ];
  for (const service of starting)
    void service.then((running) => closers.add('services', () => running.stop())).catch(() => undefined);
  const failed = (await Promise.allSettled(starting)).find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

function watchParts(health: Health, { broker, databases, registry, presence }: Parts): void {
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  for (const [service, database] of Object.entries(databases))
    health.check(`database (${service})`, () => database.problem());
  health.check('registry', () => registry.problem);
  health.check('presence', () => presence.problem);
}

/** Opens, and waits until all checks agree. */
async function ready(health: Health): Promise<void> {
  health.open();
  for (const deadline = Date.now() + READY_MS; !health.report().ready; await delay(10)) {
    if (Date.now() > deadline)
      throw new StartError(
        `not ready after ${READY_MS / 1000} s: ${Object.entries(health.report().problems)
          .map(([what, why]) => `${what}: ${why}`)
          .join('; ')}`,
      );
  }
}
