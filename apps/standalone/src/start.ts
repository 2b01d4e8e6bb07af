import 'reflect-metadata';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { settingsOf, startAuth } from '@parley/auth';
import { startGateway } from '@parley/gateway';
import { settingsOf as historySettingsOf, startHistory } from '@parley/history';
import { settingsOf as messagesSettingsOf, startMessages } from '@parley/messages';
import { startPresence } from '@parley/presence';
import { requirePort, Health, StartError, type Logger, type Running } from '@parley/service-kit';
import { Closers } from './closers.js';
import { isEmbedded, type StandaloneConfig } from './config.js';
import { openDependencies, type Dependencies } from './dependencies.js';

const READY_TIMEOUT_MS = 15_000;

export interface Standalone extends Running {
  /** For clients on this machine. */
  readonly url: string;
}

/**
 * Starts the five services in this process, with the dependencies that the configuration chose. Resolves when clients can use it. Throws a {@link StartError} when it cannot start, with everything closed
 * again. `stop` answers pending calls, disconnects clients and closes the dependencies last.
 */
export async function startStandalone(config: StandaloneConfig, logger: Logger): Promise<Standalone> {
  const closers = new Closers();
  const health = new Health('standalone');
  closers.open('health', health);
  try {
    // Before a database is created that nobody could reach.
    await requirePort(config.PORT, config.HOST, 'PORT');
    const dependencies = await openDependencies(config, logger, closers);
    addChecks(health, dependencies);
    await startServices(config, dependencies, logger, closers);
    const { broker, registry, limiters, traces } = dependencies;
    const gateway = await startGateway({
      config: { ...config, FILES_DIR: config.FILES_DIR ?? join(config.DATA_DIR, 'files') },
      mode: isEmbedded(config) ? 'embedded' : 'standalone',
      broker,
      registry,
      limiters,
      traces,
      logger,
      health,
    });
    closers.add('gateway', () => gateway.stop());
    if (config.HEALTH_PORT !== 0) await health.listen(config.HEALTH_PORT, config.HEALTH_HOST);
    await becomeReady(health);
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
  { broker, databases, registry, presence, traces }: Dependencies,
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
    startHistory({
      broker,
      database: databases.history,
      registry,
      traces,
      logger,
      graceMs,
      settings: historySettingsOf(config),
    }),
    startPresence({ broker, store: presence, logger, graceMs }),
  ];
  for (const service of starting)
    void service.then((running) => closers.add('services', () => running.stop())).catch(() => undefined);
  const failed = (await Promise.allSettled(starting)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function addChecks(health: Health, { broker, databases, embedded, registry, presence }: Dependencies): void {
  if (embedded) health.liveWhile('database', () => embedded.lost());
  health.check('broker', () => (broker.status.ready ? undefined : (broker.status.reason ?? 'not ready')));
  for (const [service, database] of Object.entries(databases))
    health.check(`database (${service})`, () => database.problem());
  health.check('registry', () => registry.problem);
  health.check('presence', () => presence.problem);
}

/** Opens the health checks, and waits until all of them pass. Throws a {@link StartError} that names those that do not. */
async function becomeReady(health: Health): Promise<void> {
  health.open();
  for (const deadline = Date.now() + READY_TIMEOUT_MS; !health.report().ready; await delay(10)) {
    if (Date.now() > deadline)
      throw new StartError(
        `not ready after ${READY_TIMEOUT_MS / 1000} s: ${Object.entries(health.report().problems)
          .map(([what, why]) => `${what}: ${why}`)
          .join('; ')}`,
      );
  }
}
