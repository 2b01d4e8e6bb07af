/**
 * One cluster and one embedded server, shared by all specs that only use them as clients do. Starting them takes longer
 * than most of those specs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster, startEmbedded } from '@parley/testing';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers `GET /cluster` and `GET /embedded` with the addresses of the gateways, as JSON. */
    deployments: string;
  }
}

interface Running {
  readonly urls: readonly string[];
  stop(): Promise<unknown>;
}

/** vitest's globalSetup of the end-to-end group. Each deployment starts at its first use, and stops with the group. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { servers } = project.getProvidedContext();
  const start: Record<string, () => Promise<Running>> = {
    '/cluster': () => startCluster({ servers }),
    '/embedded': async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'parley-e2e-'));
      const server = await startEmbedded({ dataDir });
      const stop = async (): Promise<void> => {
        await server.stop();
        await rm(dataDir, { recursive: true, force: true });
      };
      return { urls: [server.url], stop };
    },
  };
  const running = new Map<string, Promise<Running>>();
  const desk = createServer(({ url = '' }, response) => {
    const deployment = running.get(url) ?? start[url]?.();
    if (deployment === undefined) return void response.writeHead(404).end();
    running.set(url, deployment);
    deployment.then(
      ({ urls }) => response.end(JSON.stringify(urls)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve));
  project.provide('deployments', `http://127.0.0.1:${(desk.address() as AddressInfo).port}`);
  return async () => {
    desk.close();
    for (const one of running.values()) await (await one.catch(() => undefined))?.stop();
  };
}
