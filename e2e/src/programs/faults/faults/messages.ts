/** Messages arrive repeatedly, malformed or late, and clocks are wrong. */
import { newId, shardOf } from '@parley/contracts';
import { eventually, type ServiceProcess } from '@parley/testing';
import { revocation } from '../check.js';
import type { FaultCluster } from '../target.js';
import { seconds, sendsAgain, type Fault } from './fault.js';

export const messageFaults: readonly Fault[] = [
  {
    name: 'publish-three-times',
    description: 'the same send command is published three times, five times over',
    short: true,
    async run(target, load) {
      const [sender] = load.people;
      for (let n = 0; n < 5; n++) {
        const conversationId = load.groups[n % load.groups.length]!;
        const clientId = `thrice-${n}-${sender!.id}`;
        const command = {
          caller: { requestId: newId(), userId: sender!.id, sessionId: newId(), kind: 'guest' },
          input: { conversationId, clientId, type: 'text', body: 'three times', attachmentIds: [] },
        };
        await target.publish(
          'message.send.v1',
          `messages.commands.${shardOf(conversationId)}`,
          JSON.stringify(command),
          3,
        );
        const { output } = await load.callUntilAnswered(sender!, 'message.send', {
          conversationId,
          clientId,
          body: 'three times',
        });
        load.attempts.push({ conversationId, senderId: sender!.id, clientId, answers: [output.message] });
      }
    },
  },
  {
    name: 'poison',
    description: 'malformed JSON, unknown types and wrong shapes in every shard’s queue',
    async run(target, load) {
      const before = await target.deadLetters();
      const poison = [
        ['message.send.v1', '{"oh'],
        ['message.send.v9', '{}'],
        ['message.send.v1', '{"caller":1}'],
      ] as const;
      const sent = 16 * poison.length;
      for (let shard = 0; shard < 16; shard++)
        for (const [type, body] of poison) await target.publish(type, `messages.commands.${shard}`, body);
      const trouble = await sendsAgain(load, 10_000);
      try {
        await eventually(async () => (await target.deadLetters()) >= before + sent, {
          timeoutMs: 20_000,
          intervalMs: 500,
        });
      } catch {
        trouble.push(`${(await target.deadLetters()) - before} of ${sent} poison messages became dead letters`);
      }
      return trouble;
    },
  },
  {
    name: 'slow-consumer',
    description: 'every batch takes 1,200 ms longer in one messages replica and 200 ms in the other, for 40 bursts',
    async run(target, load) {
      const [first, second] = [...target.cluster.services.messages];
      const slow = await Promise.all([
        target.cluster.replace(first!, { FAULT_AT: 'messages.received:1:sleep:1200' }),
        target.cluster.replace(second!, { FAULT_AT: 'messages.received:1:sleep:200' }),
      ]);
      // If both took a shard's messages at once, one that the slower gets would be stored after the next of its burst.
      // Without pauses a burst travels as one AMQP message, which only one of them gets.
      const usual = load.bursts;
      load.bursts = { share: 0.75, size: 6, gapMs: 40 };
      const before = load.orderedBursts;
      await eventually(() => load.orderedBursts >= before + 40, { timeoutMs: 90_000 });
      load.bursts = usual;
      for (const one of slow) await target.cluster.replace(one);
    },
  },
  {
    name: 'clock-ahead',
    description: 'the clock of one replica of each service is an hour ahead',
    run: (target) => skewed(target, 3_600_000),
  },
  {
    name: 'clock-behind',
    description: 'the clock of one replica of each service is an hour behind',
    run: (target) => skewed(target, -3_600_000),
  },
];

async function skewed(target: FaultCluster, ms: number): Promise<string[]> {
  const wrong: ServiceProcess[] = [];
  for (const process of ['auth', 'messages', 'history', 'presence', 'gateway'] as const)
    wrong.push(await target.replaceOne(process, target.clock(ms)));
  await seconds(8);
  const trouble = await revocation(target.urls);
  for (const one of wrong) await target.cluster.replace(one);
  return trouble;
}
