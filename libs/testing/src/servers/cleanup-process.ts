// The detached process of `cleanUpAtExit` in cleanup.ts. It imports no other file, so that it runs from source and from
// dist.
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const resources = new Set<string>();
for await (const line of createInterface({ input: process.stdin })) {
  const [sign, ...entry] = line.split(' ');
  if (sign === '+') resources.add(entry.join(' '));
  else resources.delete(entry.join(' '));
}

setTimeout(() => process.exit(1), 60_000).unref();

async function clean(kind: string, id: string): Promise<void> {
  if (kind === 'process') process.kill(-Number(id), 'SIGKILL');
  if (kind === 'folder') await rm(id, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  if (kind === 'container') {
    const { getContainerRuntimeClient } = await import('testcontainers');
    await (await getContainerRuntimeClient()).container.getById(id).remove({ force: true, v: true });
  }
}

const entries = [...resources].map(
  (entry) => [entry.slice(0, entry.indexOf(' ')), entry.slice(entry.indexOf(' ') + 1)] as const,
);
// Folders last, because the processes write into them.
for (const last of [false, true]) {
  await Promise.allSettled(
    entries.filter(([kind]) => (kind === 'folder') === last).map(([kind, id]) => clean(kind, id)),
  );
}
process.exit(0);
