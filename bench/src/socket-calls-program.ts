/** `npm run bench:calls`: the system calls on sockets for a message that is alone, and for a batch of 50. */
import { newId } from '@parley/contracts';
import { ChatClient, startCluster, startServers } from '@parley/testing';
import { Fleet } from './fleet.js';
import { SocketCounts, type Counted } from './socket-calls.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const WARM_UP = 20;
const BATCH = 50;

/** The result of this program, its last line as JSON. */
export interface Writes {
  readonly alone: Counted;
  readonly batch: Counted;
}

const { addresses, stop } = await startServers({ durable: true });
const counts = await SocketCounts.create();
const cluster = await startCluster({ servers: addresses, gateways: 1, env: counts.env });
const fleet = new Fleet(1);
try {
  const users = await Promise.all([0, 1].map(() => guest(cluster.url)));
  await fleet.open(
    cluster.urls,
    users.map(({ token }) => token),
  );
  const { conversation } = await fleet.ask<{ conversation: { id: string } }>(0, 'conversation:create', {
    kind: 'direct',
    memberIds: [users[1]!.id],
  });
  const send = (): Promise<unknown> =>
    fleet.ask(0, 'message:send', { conversationId: conversation.id, clientId: newId(), body: 'hello' });
  for (let sent = 0; sent < WARM_UP; sent++) await send();
  const alone = await counts.of(cluster.processes, { times: 20, everyMs: 300 }, send);
  const batch = await counts.of(cluster.processes, { times: 10, everyMs: 600 }, () =>
    Promise.all(Array.from({ length: BATCH }, send)),
  );
  say(`### A message alone, to one recipient\n${table(alone)}\n### ${BATCH} messages at once\n${table(batch)}`);
  say(JSON.stringify({ alone, batch } satisfies Writes));
} finally {
  fleet.stop();
  await cluster.stop();
  await stop();
  await counts.remove();
}

async function guest(url: string): Promise<{ id: string; token: string }> {
  const { session } = await ChatClient.guest(url);
  return { id: session.user.id, token: session.accessToken };
}

/** Writes / reads of each process with each peer. */
function table(counted: Counted): string {
  const peers = ['amqp', 'database', 'redis', 'clients'];
  const rows = Object.entries(counted).map(([process, of]) => {
    const cells = peers.map((peer) =>
      of[peer] ? `${of[peer].writes.toFixed(1)} / ${of[peer].reads.toFixed(1)}` : '-',
    );
    const all = Object.values(of).reduce((sum, { writes }) => sum + writes, 0);
    return `| ${[process, ...cells, all.toFixed(1)].join(' | ')} |`;
  });
  return [
    `| writes / reads | ${peers.join(' | ')} | writes |`,
    `| --- |${' ---: |'.repeat(peers.length + 1)}`,
    ...rows,
  ].join('\n');
}
