import 'reflect-metadata';
import { isUtf8 } from 'node:buffer';
import type { AddressInfo } from 'node:net';
import type { Server as HttpServer } from 'node:http';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Broker } from '@parley/broker';
import { limitUpgrades } from '@parley/patches';
import { Limiters, Registry, Traces } from '@parley/realtime';
import { requirePort, Health, Logger, nestLogger, type Running } from '@parley/service-kit';
import { json, type NextFunction, type Request, type Response } from 'express';
import { AppModule } from './app.module.js';
import { RateLimits } from './calls/rate-limits.js';
import { DeploymentMode, GatewayConfig } from './config.js';
import { Connections } from './connections/connections.js';
import { Files } from './files/files.js';
import { capabilitiesOf } from './files/uploads.js';
import { Housekeeping } from './housekeeping.js';
import { enterBasePath, requireBasePath } from './http/base-path.js';
import { Origins } from './http/origins.js';
import { TRACE_HEADER, traceRequests } from './http/problem.filter.js';
import { limitRequestTime } from './http/request-timeouts.js';
import { limitPages } from './http/uncounted.js';
import { webApp } from './http/web-app.js';
import { PushListener } from './push/push-listener.js';
import { SocketAdapter } from './socket/socket.adapter.js';

/** The dependencies of a gateway, which it neither opens nor closes. */
export interface GatewayDependencies {
  readonly config: GatewayConfig;
  /** The kind of deployment, as clients are told. */
  readonly mode: DeploymentMode['name'];
  readonly broker: Broker;
  readonly registry: Registry;
  /** Counts what all gateways allow together. */
  readonly limiters: Limiters;
  readonly traces: Traces;
  readonly logger: Logger;
  readonly health: Health;
}

export interface Gateway extends Running {
  /** For clients on this machine. */
  readonly url: string;
  readonly port: number;
  /** Removes the bytes of dropped files, and expired uploads. The gateway also does so every few minutes. */
  sweep(): Promise<void>;
}

/**
 * Starts HTTP and Socket.IO on one port. Resolves once it listens and misses no push; it is ready when auth has
 * answered keys and revocations. Throws a `StartError` when the port is taken. `stop` accepts no new connections,
 * answers pending calls, makes all clients reconnect elsewhere, reports their connections closed, and ends within about
 * `SHUTDOWN_GRACE_MS`.
 */
export async function startGateway(dependencies: GatewayDependencies): Promise<Gateway> {
  const { config, broker } = dependencies;
  await requirePort(config.PORT, config.HOST, 'PORT');
  const app = await createApp(dependencies);
  const housekeeping = app.get(Housekeeping);
  // Not waited for: there may be millions of files.
  void app.get(Files).makePrivate();
  const serving = await broker.listen(app.get(PushListener));
  housekeeping.start();
  try {
    await listen(app, config);
  } catch (error) {
    await housekeeping.stop();
    await serving.stop();
    await app.close();
    throw error;
  }
  const server: HttpServer = app.getHttpServer();
  const { port } = server.address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    server.close();
    await app.get(Connections).drain(config.SHUTDOWN_GRACE_MS);
    await housekeeping.stop();
    await serving.stop();
    server.closeAllConnections();
    await app.close();
  };
  return {
    port,
    sweep: () => housekeeping.sweepFiles(),
    url: `http://${connectableHost(config.HOST)}:${port}${config.BASE_PATH}`,
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
  'tus-resumable',
  'tus-version',
  'tus-extension',
  'tus-max-size',
];

async function createApp(dependencies: GatewayDependencies): Promise<NestExpressApplication> {
  const { config, logger } = dependencies;
  const module = AppModule.register([
    { provide: GatewayConfig, useValue: config },
    { provide: DeploymentMode, useValue: new DeploymentMode(dependencies.mode) },
    { provide: Broker, useValue: dependencies.broker },
    { provide: Registry, useValue: dependencies.registry },
    { provide: Limiters, useValue: dependencies.limiters },
    { provide: Traces, useValue: dependencies.traces },
    { provide: Health, useValue: dependencies.health },
    { provide: Logger, useValue: logger },
  ]);
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: nestLogger(logger),
    bodyParser: false,
    abortOnError: false,
    routeResolutionStrategy: 'specificity',
  });
  const origins = new Origins(config);
  app.disable('x-powered-by').disable('etag');
  app.use(traceRequests);
  if (config.BASE_PATH !== '') app.use(requireBasePath(config.BASE_PATH));
  app.use(origins.demandHost);
  app.use(limitPages(app.get(RateLimits), config));
  app.use('/api/v1', forbidStoring);
  app.use('/api/v1/uploads', addCapabilities(config));
  app.useSecurityHeaders({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    // The operator's proxy terminates TLS, so it decides whether clients must insist on it.
    strictTransportSecurity: false,
  });
  app.use(await webApp({ basePath: config.BASE_PATH, embedders: config.EMBED_ORIGINS }));
  app.enableCors({ origin: origins.listed.includes('*') ? '*' : [...origins.listed], exposedHeaders, maxAge: 600 });
  app.use(json({ limit: config.LIMIT_PACKET_BYTES, verify: requireUtf8 }));
  app.useWebSocketAdapter(new SocketAdapter(app, origins, config));
  return app.init();
}

/** Keeps tokens and private answers out of caches. Files have a header of their own. */
function forbidStoring(_request: Request, response: Response, next: NextFunction): void {
  response.set('Cache-Control', 'no-store');
  next();
}

/** Adds tus's capabilities to the answer of OPTIONS, which CORS sends. */
const addCapabilities =
  (config: GatewayConfig) =>
  ({ method }: Request, response: Response, next: NextFunction): void => {
    if (method === 'OPTIONS') response.set(capabilitiesOf(config));
    next();
  };

/** Refuses bytes that are no text, instead of storing replacement characters. */
function requireUtf8(_request: unknown, _response: unknown, body: Buffer): void {
  if (!isUtf8(body)) throw new Error('the body is not UTF-8');
}

async function listen(app: NestExpressApplication, config: GatewayConfig): Promise<void> {
  const server: HttpServer = app.getHttpServer();
  server.requestTimeout = 0;
  server.prependListener('request', limitRequestTime);
  server.headersTimeout = 15_000;
  // Longer than load balancers keep idle connections (60 s), so that the gateway never closes one that they are about
  // to use.
  server.keepAliveTimeout = 65_000;
  // Engine.IO would hang up on any other upgrade.
  limitUpgrades(server, ({ url = '' }) => url.startsWith(`${config.BASE_PATH}/socket.io/`));
  if (config.BASE_PATH !== '') enterBasePath(server, config.BASE_PATH);
  await app.listen(config.PORT, config.HOST);
}

/** An address to which a client on this machine can connect, for an address to listen on. */
function connectableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
