import type { TestProject } from 'vitest/node';
import { startServers, type ServerAddresses } from './servers.js';

declare module 'vitest' {
  interface ProvidedContext {
    servers: ServerAddresses;
  }
}

const shared = globalThis as { [key: symbol]: unknown };
const key = Symbol.for('parley.servers');

interface Shared {
  readonly servers: ReturnType<typeof startServers>;
  users: number;
}

/**
 * Vitest's globalSetup for projects whose specs need servers. All projects share one set, which ends with the last of
 * them. Specs get the addresses by `inject('servers')`.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const state = (shared[key] ??= { servers: startServers(), users: 0 }) as Shared;
  state.users += 1;
  const { addresses, stop } = await state.servers;
  project.provide('servers', addresses);
  return async () => {
    state.users -= 1;
    if (state.users > 0) return;
    shared[key] = undefined;
    await stop();
  };
}
