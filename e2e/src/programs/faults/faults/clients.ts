/** Clients lose their connections, stop reading, and flood. */
import { ChatClient, eventually } from '@parley/testing';
import { connectedGuest, untilAnswered } from '../load.js';
import { seconds, type Fault } from './fault.js';

export const clientFaults: readonly Fault[] = [
  {
    name: 'clients-cut',
    description: 'half of the clients lose their connection every second, ten times',
    async run(_world, load) {
      for (let n = 0; n < 10; n++) {
        for (const [index, { client }] of load.people.entries()) if ((index + n) % 2 === 0) client.drop();
        await seconds(1);
      }
    },
  },
  {
    name: 'reconnect-storm',
    description: 'four hundred connections are reset at once, three times',
    async run(target) {
      const crowd = await Promise.all(
        Array.from({ length: 8 }, (_, n) => untilAnswered(() => ChatClient.guest(target.cluster.urls[n % 2]!))),
      );
      const devices = crowd.flatMap((one) => Array.from({ length: 8 }, () => one.device()));
      for (let at = 0; at < devices.length; at += 16)
        await Promise.all(devices.slice(at, at + 16).map((one) => untilAnswered(() => one.connect(20_000))));
      const trouble: string[] = [];
      for (let n = 0; n < 3; n++) {
        const before = devices.map(({ readyCount }) => readyCount);
        for (const one of devices) one.drop();
        await eventually(() => devices.every(({ readyCount }, index) => readyCount > before[index]!), {
          timeoutMs: 30_000,
        }).catch(() => {
          trouble.push(
            `${devices.filter(({ readyCount }, index) => readyCount <= before[index]!).length} of ${devices.length} did not reconnect within 30 s`,
          );
        });
      }
      for (const one of devices) one.disconnect();
      return trouble;
    },
  },
  {
    name: 'slow-reader',
    description: 'a member stops reading while 24 MB are sent to them, then reads again',
    async run(target, load) {
      const [sender] = load.people;
      const reader = await connectedGuest(target.cluster.urls[1]!);
      const {
        conversation: { id },
      } = await untilAnswered(() =>
        sender!.client.call('conversation.create', { kind: 'direct', memberIds: [reader.user.id] }),
      );
      const ready = reader.readyCount;
      const read = reader.stopReading({ sendsPongs: true });
      const body = 'x'.repeat(8_000);
      for (let n = 0; n < 3_000; n += 50)
        await Promise.all(
          Array.from({ length: 50 }, (_, at) =>
            load.callUntilAnswered(sender!, 'message.send', { conversationId: id, clientId: `big-${n + at}`, body }),
          ),
        );
      const memory = await target.memory();
      read();
      const trouble = memory > 400 ? [`a process uses ${memory} MB for a client that does not read`] : [];
      try {
        await eventually(() => reader.readyCount > ready && reader.connected, { timeoutMs: 20_000 });
        await reader.sync();
        const shown = reader.state.messages(id).length;
        if (shown !== 3_000) trouble.push(`after reconnecting the reader holds ${shown} of 3000 messages`);
      } catch {
        trouble.push('the reader was not disconnected');
      }
      reader.disconnect();
      return trouble;
    },
  },
  {
    name: 'flood',
    description: 'one user sends as fast as possible for 8 s, under the default limits',
    ownCluster: { env: { USER_LIMIT_SCALE: '1' } },
    async run(target) {
      const flooder = await connectedGuest(target.cluster.urls[0]!);
      const {
        conversation: { id },
      } = await untilAnswered(() =>
        flooder.call('conversation.create', { kind: 'group', title: 'flooded', memberIds: [] }),
      );
      const codes = new Map<string, number>();
      const until = Date.now() + 8_000;
      await Promise.all(
        Array.from({ length: 40 }, async () => {
          while (Date.now() < until && flooder.connected) {
            const code = await flooder.send(id, 'more').then(
              () => 'ok',
              (error: Error & { code?: string }) => error.code ?? error.message,
            );
            codes.set(code, (codes.get(code) ?? 0) + 1);
          }
        }),
      );
      flooder.disconnect();
      return (codes.get('rate_limited') ?? 0) > 0
        ? []
        : [`no call was answered rate_limited: ${JSON.stringify([...codes])}`];
    },
  },
];
