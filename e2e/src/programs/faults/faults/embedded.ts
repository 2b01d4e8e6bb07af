import { randomBytes } from 'node:crypto';
import { ChatError } from '@parley/contracts';
import type { ChatClient } from '@parley/testing';
import { connectedGuest, untilAnswered, type Load } from '../load.js';
import type { FaultEmbedded } from '../target.js';
import { seconds, sendsAgain, within, type Fault } from './fault.js';

/** Messages of 8 KiB for two segments of the write-ahead log. */
const FLOOD = 5_000;

/** Sends large messages until the server refuses them. Resolves with the client ids of those that it acknowledged. */
async function flood(client: ChatClient, conversationId: string): Promise<string[]> {
  const acknowledged: string[] = [];
  let refusal: unknown;
  const sender = async (): Promise<void> => {
    while (refusal === undefined && acknowledged.length < FLOOD) {
      const clientId = randomBytes(8).toString('hex');
      await client.send(conversationId, randomBytes(4_000).toString('hex'), clientId).then(
        () => acknowledged.push(clientId),
        (error: unknown) => (refusal ??= error),
      );
    }
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  if (refusal === undefined) throw new Error(`the disk is not full after ${FLOOD} messages`);
  if (!(refusal instanceof ChatError && refusal.code === 'unavailable')) throw refusal;
  return acknowledged;
}

async function fillDisk(target: FaultEmbedded, load: Load): Promise<string[]> {
  const client = await connectedGuest(target.urls[0]!);
  const { conversation } = await untilAnswered(() =>
    client.call('conversation.create', { kind: 'group', title: 'large', memberIds: [] }),
  );
  const troubles: string[] = [];
  const acknowledged: string[] = [];
  for (const left of [7, 19]) {
    await target.disk.fill(left);
    acknowledged.push(...(await flood(client, conversation.id)));
    await seconds(5);
    if (!(await fetch(`${target.urls[0]}/health/live`)).ok) troubles.push('it is not live, although it will recover');
    await target.disk.makeRoom();
    troubles.push(...(await sendsAgain(load, 15_000)));
  }
  const stored = await untilAnswered(() => client.history(conversation.id));
  const ids = new Set(stored.map(({ clientId }) => clientId));
  const lost = acknowledged.filter((clientId) => !ids.has(clientId));
  if (lost.length > 0) troubles.push(`${lost.length} acknowledged messages are lost`);
  client.disconnect();
  // The check stops the server. Before that, events that could not be handled are tried again, after at most 30 s.
  await seconds(31);
  return troubles;
}

/** The one process of embedded mode dies, and I1 to I5 hold after its restart; or its disk is full, and it goes on by itself. */
export const embeddedFaults: readonly Fault<FaultEmbedded>[] = [
  {
    name: 'embedded-kill',
    description: 'SIGKILL of the process, three times, restarted on its data',
    short: true,
    async run(target) {
      for (let n = 0; n < 3; n++) {
        await seconds(2);
        await target.restart();
      }
    },
  },
  ...(['messages.stored', 'messages.committed', 'messages.answered'] as const).map((place): Fault<FaultEmbedded> => ({
    name: `embedded-kill-at-${place}`,
    description: `SIGKILL of the process at ${place}`,
    async run(target) {
      await target.restart({ FAULT_AT: `${place}:15:kill` });
      await within(30_000, target.server.exited, `the process did not reach ${place}`);
      await target.restart();
    },
  })),
  {
    name: 'embedded-disk-full',
    description:
      'the disk of the data folder is full twice, until no segment of the log fits; then there is room again',
    diskMb: 300,
    // Opening PGlite takes a few hundred for a moment: a fresh start has 730 after it, and this fault opens it several times.
    maxMemoryMb: 900,
    run: fillDisk,
  },
];
