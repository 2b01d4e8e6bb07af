import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, launch, startEmbedded } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Two people, a conversation, and one message: what a restart must keep. */
async function chat(url: string) {
  const [ann, ben] = await Promise.all([ChatClient.register(url, { username: `ann-${Date.now()}` }), ChatClient.register(url)]);
  await ann.connect();
  const { conversation } = await ann.call('conversation.create', { kind: 'direct', memberIds: [ben.user.id] });
  const { message } = await ann.send(conversation.id, 'Hello, Ben', 'the first');
  return { ann, ben, conversation, message };
}
const noStack = /\n\s+at /;

// One data folder for all tests, one after another: the first start on a new one is the slow one.
describe('everything in one process', { timeout: 120_000 }, () => {
  let folder: string;
  let dataDir: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-standalone-'));
    dataDir = join(folder, 'data');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('says what it is in one block, stops on Ctrl-C, and has everything again after that', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, ben, conversation, message } = await chat(first.url);
    ann.disconnect();
    first.child.kill('SIGINT');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(first.output).toMatch(/Parley is ready\.[^]*embedded[^]*no RabbitMQ, no Redis[^]*Parley stopped\.\n$/);
    expect(first.output).not.toContain('{"level"');

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ben.connect();
    const { items } = await ben.call('conversation.history', { conversationId: conversation.id });
    expect(items).toMatchObject([{ id: message.id, seq: 1, body: 'Hello, Ben' }]);
    ben.disconnect();
    expect((await ChatClient.login(second.url, ann.user.username, 'correct horse battery')).user).toEqual(ann.user);
    expect((await second.stop()).code).toBe(0);
  });

  it('is killed in the middle of sends, and keeps every message that was acknowledged, once', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, conversation } = await chat(first.url);
    const acknowledged = new Map<string, number>();
    const sends = Array.from({ length: 300 }, (_, i) =>
      ann.send(conversation.id, `message ${i}`, `c${i}`).then(({ message }) => {
        acknowledged.set(message.clientId, message.seq);
        if (acknowledged.size === 100) first.child.kill('SIGKILL');
      }, () => undefined));
    await first.exited;
    ann.disconnect();
    await Promise.all(sends);
    expect(acknowledged.size).toBeGreaterThanOrEqual(100);

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ann.connect();
    const retries = await Promise.all(Array.from({ length: 300 }, (_, i) => ann.send(conversation.id, `message ${i}`, `c${i}`)));
    for (const { message, duplicate } of retries) {
      if (!acknowledged.has(message.clientId)) continue;
      expect({ seq: message.seq, duplicate }).toEqual({ seq: acknowledged.get(message.clientId), duplicate: true });
    }
    expect(retries.map(({ message }) => message.seq).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i + 2));
    ann.disconnect();
    await second.stop();
  });

  it('is stopped in the middle of sends, and has answered everything that it stored', async () => {
    const first = await startEmbedded({ dataDir });
    const { ann, conversation } = await chat(first.url);
    const made: string[] = [];
    const acknowledged = new Set<string>();
    let running = true;
    const sender = async (name: string) => {
      for (let i = 0; running && i < 500; i++) {
        const clientId = `${name}-${i}`;
        made.push(clientId);
        await ann.send(conversation.id, 'amid', clientId).then(
          () => acknowledged.add(clientId).size === 100 && first.child.kill('SIGTERM'),
          () => (running = false),
        );
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, n) => sender(`s${n}`)));
    expect((await first.exited).code).toBe(0);
    ann.disconnect();
    expect(acknowledged.size).toBeGreaterThanOrEqual(100);

    const second = await startEmbedded({ dataDir, env: { PORT: new URL(first.url).port } });
    await ann.connect();
    const retries = await Promise.all(made.map((clientId) => ann.send(conversation.id, 'amid', clientId)));
    expect(retries.filter(({ duplicate, message }) => duplicate && !acknowledged.has(message.clientId))).toEqual([]);
    ann.disconnect();
    await second.stop();
  });

  it('refuses a folder that is no folder, one that is not its own, and one in use, in one line each', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, 'somebody’s');
    const owner = await startEmbedded({ dataDir });
    for (const [DATA_DIR, says] of [[join(file, 'data'), 'cannot be written'], [folder, 'not Parley’s|not Parley\'s'], [dataDir, 'in use by process']] as const) {
      const program = await launch('standalone', { DATA_DIR });
      expect((await program.exited).code).toBe(1);
      expect(program.output).toMatch(new RegExp(`^parley: .*(${says}).*\n$`));
      expect(program.output).not.toMatch(noStack);
    }
    await owner.ready();
    await owner.stop();
  });
});
