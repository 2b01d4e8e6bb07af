import { Redis } from 'ioredis';
import { findProgram } from './programs.js';
import { Folder, LocalHost } from './local-host.js';
import { freePort } from './ports.js';
import { PrivateServer } from './private-server.js';

/** The image of Redis that tests use. */
export const redisImage = 'redis:7';
const settings = ['--save', '', '--appendonly', 'no'];

async function probe(url: string): Promise<void> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    redis.disconnect();
  }
}

/** Starts a private Redis as a container. `host` reaches its published port. */
export async function redisInDocker(host: string): Promise<PrivateServer> {
  const port = await freePort();
  const { DockerHost } = await import('./docker-host.js');
  const container = new DockerHost({
    name: redisImage,
    command: ['redis-server', ...settings],
    ports: new Map([[6379, port]]),
  });
  return PrivateServer.started(container, `redis://${host}:${port}`, probe);
}

/** Starts a private Redis from the installed program. Rejects when it is missing. */
export async function redisLocally(): Promise<PrivateServer> {
  const file = findProgram('redis');
  if (file === undefined) throw new Error('redis-server is not installed');
  const [port, folder] = [await freePort(), new Folder('redis')];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder.path, ...settings];
  return PrivateServer.started(new LocalHost(folder, { file, args }, 'SIGTERM'), `redis://127.0.0.1:${port}`, probe);
}
