/** What the parts reach alone. A process of its own: `node limits.js <part> <address> <seconds>` prints one line of JSON. */
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import pg from 'pg';
import { messageDatabase } from './targets.js';

interface Reached {
  readonly perSecond: number;
  /** Of a confirm, or of a batch. */
  readonly p50Ms: number;
}

const body = Buffer.from(JSON.stringify({ conversationId: randomUUID(), senderId: randomUUID(), clientId: randomUUID(), body: 'The quick brown fox jumps over the lazy dog, and then it rests.' }));
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Persistent messages through one quorum queue, confirmed and consumed, 256 of them under way. */
async function queue(amqpUrl: string, seconds: number): Promise<Reached> {
  const [publishing, consuming] = [await connect(amqpUrl), await connect(amqpUrl)];
  const [publisher, consumer] = [await publishing.createConfirmChannel(), await consuming.createChannel()];
  const name = `bench.${randomUUID()}`;
  await publisher.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  let consumed = 0;
  await consumer.prefetch(500);
  await consumer.consume(name, (message) => {
    consumer.ack(message!);
    consumed += 1;
  });
  const confirmMs: number[] = [];
  const end = performance.now() + seconds * 1000;
  const loop = async (): Promise<void> => {
    while (performance.now() < end) {
      const begun = performance.now();
      await new Promise<void>((resolve, reject) => void publisher.sendToQueue(name, body, { persistent: true }, (error: unknown) => (error ? reject(error as Error) : resolve())));
      confirmMs.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: 256 }, loop));
  const reached = { perSecond: consumed / seconds, p50Ms: median(confirmMs) };
  await publisher.deleteQueue(name);
  await Promise.all([publishing.close(), consuming.close()]);
  return reached;
}

/** Messages in transactions of 200, one after another on one connection. */
async function insert(databaseUrl: string, seconds: number): Promise<Reached> {
  const database = await messageDatabase(databaseUrl);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const batchMs: number[] = [];
  const conversations = Array.from({ length: 100 }, () => randomUUID());
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const begun = performance.now();
    const columns = [() => randomUUID(), (n: number) => conversations[n % 100], () => randomUUID(), () => randomUUID(), () => 'The quick brown fox jumps over the lazy dog, and then it rests.'].map((value) => Array.from({ length: 200 }, (_, n) => value(n)));
    await client.query({ name: 'insert', text: 'insert into message (id, conversation_id, sender_id, client_id, body) select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])', values: columns });
    batchMs.push(performance.now() - begun);
  }
  await client.end();
  await database.drop();
  return { perSecond: (batchMs.length * 200) / seconds, p50Ms: median(batchMs) };
}

const [part, address, seconds] = process.argv.slice(2);
const reached = await (part === 'queue' ? queue : insert)(address!, Number(seconds));
process.stdout.write(`${JSON.stringify(reached)}\n`);
