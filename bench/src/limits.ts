/** Measures a part alone, in its own process: `node limits.js <part> <address> <seconds>` prints one line of JSON. */
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import pg from 'pg';
import type { LimitName } from './scenario.js';
import { quantile } from './stats.js';
import { messageDatabase } from './targets.js';

interface Reached {
  readonly perSecond: number;
  /** Milliseconds to a confirm or a commit. */
  readonly ackP50: number;
  readonly ackP99: number;
  /** Milliseconds until a message was consumed. */
  readonly receivedP50?: number;
  readonly receivedP99?: number;
}

const body = Buffer.from(
  JSON.stringify({
    conversationId: randomUUID(),
    senderId: randomUUID(),
    clientId: randomUUID(),
    body: 'The quick brown fox jumps over the lazy dog, and then it rests.',
  }),
);
const quantiles = (values: readonly number[]): [p50: number, p99: number] => {
  const sorted = values.toSorted((a, b) => a - b);
  return [quantile(sorted, 0.5), quantile(sorted, 0.99)];
};

/** Sends persistent messages through one quorum queue, confirmed and consumed, with `outstanding` in flight. */
async function queue(amqpUrl: string, seconds: number, underWay: number): Promise<Reached> {
  const [publishing, consuming] = [await connect(amqpUrl), await connect(amqpUrl)];
  const [publisher, consumer] = [await publishing.createConfirmChannel(), await consuming.createChannel()];
  const name = `bench.${randomUUID()}`;
  await publisher.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  const receivedMs: number[] = [];
  const sent: number[] = [];
  await consumer.prefetch(500);
  await consumer.consume(name, (message) => {
    receivedMs.push(performance.now() - sent[receivedMs.length]!);
    consumer.ack(message!);
  });
  const confirmMs: number[] = [];
  const end = performance.now() + seconds * 1000;
  const loop = async (): Promise<void> => {
    while (performance.now() < end) {
      const begun = performance.now();
      sent.push(begun);
      await new Promise<void>(
        (resolve, reject) =>
          void publisher.sendToQueue(name, body, { persistent: true }, (error: unknown) =>
            error ? reject(error as Error) : resolve(),
          ),
      );
      confirmMs.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: underWay }, loop));
  const [[ackP50, ackP99], [receivedP50, receivedP99]] = [quantiles(confirmMs), quantiles(receivedMs)];
  const reached = { perSecond: receivedMs.length / seconds, ackP50, ackP99, receivedP50, receivedP99 };
  await publisher.deleteQueue(name);
  await Promise.all([publishing.close(), consuming.close()]);
  return reached;
}

/** Inserts messages in transactions of `size`, one after another on one connection. */
async function insert(databaseUrl: string, seconds: number, rows: number): Promise<Reached> {
  const database = await messageDatabase(databaseUrl);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const batchMs: number[] = [];
  const conversations = Array.from({ length: 100 }, () => randomUUID());
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const begun = performance.now();
    const columns = [
      () => randomUUID(),
      (n: number) => conversations[n % 100],
      () => randomUUID(),
      () => randomUUID(),
      () => 'The quick brown fox jumps over the lazy dog, and then it rests.',
    ].map((value) => Array.from({ length: rows }, (_, n) => value(n)));
    await client.query({
      name: 'insert',
      text: 'insert into message (id, conversation_id, sender_id, client_id, body) select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])',
      values: columns,
    });
    batchMs.push(performance.now() - begun);
  }
  await client.end();
  await database.drop();
  const [ackP50, ackP99] = quantiles(batchMs);
  return { perSecond: (batchMs.length * rows) / seconds, ackP50, ackP99 };
}

const parts: Record<LimitName, (address: string, seconds: number) => Promise<Reached>> = {
  queue: (address, seconds) => queue(address, seconds, 256),
  hop: (address, seconds) => queue(address, seconds, 1),
  insert: (address, seconds) => insert(address, seconds, 200),
  commit: (address, seconds) => insert(address, seconds, 1),
};
const [part, address, seconds] = process.argv.slice(2);
const reached = await parts[part as LimitName](address!, Number(seconds));
process.stdout.write(`${JSON.stringify(reached)}\n`);
