import 'reflect-metadata';
import { isUtf8 } from 'node:buffer';
import type { AddressInfo } from 'node:net';
import type { Server as HttpServer } from 'node:http';
import { NestApplication, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { limits, times } from '@parley/contracts';
import { GatheredWrites, limitUpgrades } from '@parley/patches';
import { demandPort, endsWithin, nestLogger, RecurringTask, type Running } from '@parley/service-kit';
import { json, type NextFunction, type Request, type Response } from 'express';
import { AppModule } from './app.module.js';
import { Connections } from './connections/connections.js';
import { Files } from './files/files.js';
import { capabilities, Uploads } from './files/uploads.js';
import { limitTime } from './http/request-timeouts.js';
import { Leases } from './presence/leases.js';
import type { GatewayParts } from './parts.js';
import { ProblemFilter, TRACE_HEADER, traceRequests } from './http/problem.filter.js';
import { Pushes } from './push/pushes.js';
import { Revocations } from './auth/revocations.js';
import { SigningKeys } from './auth/signing-keys.js';
import { SocketAdapter } from './socket/socket.adapter.js';
import { Typing } from './presence/typing.js';
import { Watches } from './presence/presence-subscriptions.js';
import { webApp } from './http/web-app.js';

const REVOCATIONS_MS = 3_000;
const FIRST_LOAD_MS = 250;
const SWEEP_MS = 5 * 60_000;
/** How long a stop waits for recurring tasks under way. */
const TASKS_TIMEOUT_MS = 2_000;

export interface Gateway extends Running {
  /** For clients on this machine. */
  readonly url: string;
  readonly port: number;
  /** Removes the bytes of files that nobody can see any more, and uploads that nobody goes on with; done every few minutes anyway. */
  sweep(): Promise<void>;
}

/**
 * Starts the edge: HTTP and Socket.IO on one port. Resolves when it listens and misses no push; it is ready once auth has told keys and revocations.
 * Throws a `StartError` when the port cannot be had. `stop` lets nobody in any more, has pending calls answered, sends all clients elsewhere,
 * reports their connections closed, and ends within about `SHUTDOWN_GRACE_MS`.
 */
export async function startGateway(parts: GatewayParts): Promise<Gateway> {
  await demandPort(parts.config.PORT, parts.config.HOST, 'PORT');
  const app = await createApp(parts);
  const connections = app.get(Connections);
  const serving = await parts.broker.listen(app.get(Pushes));
  const tasks = recurringTasks(app, parts);
  const stopTasks = () => endsWithin(TASKS_TIMEOUT_MS, Promise.all(tasks.map((task) => task.stop())));
  try {
    await listen(app, parts);
  } catch (error) {
    await stopTasks();
    await serving.stop();
    await app.close();
    throw error;
  }
  const server: HttpServer = app.getHttpServer();
  const { port } = server.address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    server.close();
    await connections.drain(parts.config.SHUTDOWN_GRACE_MS);
    await stopTasks();
    await serving.stop();
    server.closeAllConnections();
    await app.close();
  };
  return {
    port,
    sweep: () => sweep(app),
    url: `http://${urlHost(parts.config.HOST)}:${port}`,
    stop: () => (stopped ??= stop()),
  };
}

const exposedHeaders = [
  TRACE_HEADER,
  'retry-after',
  'location',
  'etag',
  'content-disposition',
  'content-range',
  'accept-ranges',
  'upload-offset',
  'upload-length',
  'upload-expires',
  'upload-metadata',
  ...Object.keys(capabilities),
];

async function createApp(parts: GatewayParts): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.register(parts), {
    logger: nestLogger(parts.logger),
    bodyParser: false,
    abortOnError: false,
    routeResolutionStrategy: 'specificity',
  });
  const { ALLOWED_ORIGINS: origins } = parts.config;
  app.disable('x-powered-by').disable('etag');
  app.use(traceRequests);
  app.use('/api/v1/uploads', tellCapabilities);
  app.useSecurityHeaders({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    // The operator's proxy speaks TLS, and so knows whether clients may insist on it.
    strictTransportSecurity: false,
  });
  app.use(await webApp());
  app.enableCors({ origin: origins.includes('*') ? '*' : [...origins], exposedHeaders, maxAge: 600 });
  app.use(json({ limit: limits.packetBytes, verify: demandUtf8 }));
  app.useGlobalFilters(new ProblemFilter(parts.logger));
  app.useWebSocketAdapter(new SocketAdapter(app as unknown as NestApplication, parts.config));
  return app.init();
}

/** Ends as any OPTIONS does. */
function tellCapabilities({ method }: Request, response: Response, next: NextFunction): void {
  if (method === 'OPTIONS') response.set(capabilities);
  next();
}

/** Bytes that are no text are refused, not stored as replacement characters. */
function demandUtf8(_request: unknown, _response: unknown, body: Buffer): void {
  if (!isUtf8(body)) throw new Error('the body is not UTF-8');
}

function recurringTasks(app: NestExpressApplication, { health, logger }: GatewayParts): readonly RecurringTask[] {
  const [keys, revocations] = [app.get(SigningKeys), app.get(Revocations)];
  const [connections, watches] = [app.get(Connections), app.get(Watches)];
  const loaded = () => keys.loaded && revocations.loaded;
  health.check('auth', () => (loaded() ? undefined : 'keys and revocations were not loaded yet'));
  const task = (name: string, everyMs: number | (() => number), run: () => Promise<void>) =>
    new RecurringTask({ name, logger, everyMs, jitter: 0.1, run });
  return [
    task('renew leases', times.renewMs, () => app.get(Leases).renew()),
    task('renew watches', times.renewMs, () => watches.announce(connections.settled)),
    task('sweep files', SWEEP_MS, () => sweep(app)),
    task('end typing', 1_000, async () => app.get(Typing).expire()),
    task(
      'load revocations',
      () => (loaded() ? REVOCATIONS_MS : FIRST_LOAD_MS),
      async () => {
        if (!keys.loaded) await keys.refresh();
        await app.get(Pushes).catchUp();
      },
    ),
  ];
}

async function sweep(app: NestExpressApplication): Promise<void> {
  await app.get(Files).sweep();
  await app.get(Uploads).expire();
}

async function listen(app: NestExpressApplication, { config }: GatewayParts): Promise<void> {
  const server: HttpServer = app.getHttpServer();
  server.requestTimeout = 0;
  server.prependListener('request', limitTime);
  server.headersTimeout = 15_000;
  // Longer than load balancers keep idle connections (60 s), so that it is never us who close one that they are about to use.
  server.keepAliveTimeout = 65_000;
  // Engine.IO would hang up on any other upgrade.
  limitUpgrades(server, ({ url = '' }) => url.startsWith('/socket.io/'));
  const writes = new GatheredWrites();
  server.prependListener('upgrade', (_request, socket) => writes.gather(socket));
  await app.listen(config.PORT, config.HOST);
}

/** An address to which one can connect, of one on which one listens. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
