/** The modes of deployment, under one interface for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import {
  startCluster,
  startEmbedded,
  storedMessages,
  type Cluster,
  type ServiceProcess,
  type StoredMessage,
} from '@parley/testing';

export interface Deployment {
  /** One address per gateway. */
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

export interface OwnDeployment extends Deployment {
  /** Sends SIGKILL to a process that writes messages. */
  killWriter(): Promise<void>;
  /** Restarts it, unless another replica takes over. Resolves when ready. */
  restartWriter(): Promise<void>;
  /** The stored messages; undefined if only the killed process can open the database. */
  stored(conversationIds: readonly string[]): Promise<StoredMessage[] | undefined>;
}

/** Additional configuration of every process. */
type Environment = Readonly<Record<string, string>>;

export async function cluster(env: Environment = {}): Promise<OwnDeployment> {
  const running: Cluster = await startCluster({ servers: inject('servers'), env });
  return {
    urls: running.urls,
    killWriter: async () => void (await Promise.all(running.services.messages.map((one) => one.kill()))),
    restartWriter: async () => void (await running.add('messages')),
    stored: (conversationIds) => storedMessages(running.databaseUrl, conversationIds),
    stop: () => running.stop(),
  };
}

export async function embedded(env: Environment = {}): Promise<OwnDeployment> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'));
  let server: ServiceProcess = await startEmbedded({ dataDir, env });
  const { url } = server;
  return {
    urls: [url],
    killWriter: async () => void (await server.kill()),
    restartWriter: async () => {
      server = await startEmbedded({ dataDir, env: { ...env, PORT: new URL(url).port } });
    },
    stored: async () => undefined,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Two replicas of messages: when one dies, the other takes over its shards, and nothing is restarted. */
export async function replicated(): Promise<OwnDeployment> {
  const running = await startCluster({ servers: inject('servers'), replicas: { messages: 2 } });
  return {
    urls: running.urls,
    killWriter: async () => void (await running.services.messages.shift()?.kill()),
    restartWriter: async () => undefined,
    stored: (conversationIds) => storedMessages(running.databaseUrl, conversationIds),
    stop: () => running.stop(),
  };
}

/**
 * A deployment that specs share, some at the same time. A spec must not break or configure it, and counts only its own
 * data.
 */
async function common(mode: 'embedded' | 'cluster'): Promise<Deployment> {
  const answer = await fetch(new URL(mode, inject('deployments')));
  if (!answer.ok) throw new Error(`no ${mode} server for all: ${await answer.text()}`);
  return { urls: (await answer.json()) as string[], stop: async () => undefined };
}

export const modes = { embedded, cluster, replicated } as const;
export const shared = { embedded: () => common('embedded'), cluster: () => common('cluster') } as const;
