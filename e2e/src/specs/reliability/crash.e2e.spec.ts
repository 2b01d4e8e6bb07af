import { afterEach, describe, expect, it } from 'vitest';
import { ChatError, errorTable, type CallOutput } from '@parley/contracts';
import {
  ChatClient,
  judge,
  NoAnswer,
  type Attempt,
  type Reader,
  type StoredMessage,
  type Verdict,
} from '@parley/testing';
import { modes, type OwnDeployment } from '../../deployments/modes.js';

const users = 4;
const conversations = 4;
const perStream = 63; // 4 users × 4 conversations × 63 = 1,008 sends
const killAfter = 300;

const nothing: Verdict = {
  lost: [],
  doubled: [],
  misanswered: [],
  unexpected: [],
  holes: [],
  disordered: [],
  missing: [],
  repeated: [],
};

/** Repeats a send under its clientId until it is answered, as a client's outbox does. Throws final refusals. */
async function insist(
  client: ChatClient,
  conversationId: string,
  clientId: string,
): Promise<CallOutput<'message.send'>> {
  for (let calls = 1; ; calls++) {
    try {
      return await client.send(conversationId, `message ${clientId}`, clientId);
    } catch (error) {
      const worthIt = error instanceof NoAnswer || (error instanceof ChatError && errorTable[error.code].retry);
      if (!worthIt || calls >= 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

class Load {
  readonly attempts: Attempt[] = [];
  acknowledged = 0;
  private readonly reached: { count: number; resolve: () => void }[] = [];

  constructor(
    readonly clients: readonly ChatClient[],
    readonly conversationIds: readonly string[],
  ) {}

  /** Every user sends in every conversation, one message after another; all streams run concurrently. */
  async run(): Promise<void> {
    await Promise.all(this.clients.flatMap((client) => this.conversationIds.map((id) => this.stream(client, id))));
  }

  async untilAcknowledged(count: number): Promise<void> {
    if (this.acknowledged < count) await new Promise<void>((resolve) => this.reached.push({ count, resolve }));
  }

  private async stream(client: ChatClient, conversationId: string): Promise<void> {
    for (let order = 0; order < perStream; order++) {
      const clientId = `${order}-${client.user.id.slice(-6)}`;
      const answer = await insist(client, conversationId, clientId);
      this.attempts.push({ conversationId, senderId: client.user.id, clientId, order, answers: [answer.message] });
      this.acknowledged += 1;
      for (const { count, resolve } of this.reached) if (this.acknowledged >= count) resolve();
    }
  }
}

const reader = (client: ChatClient, conversationIds: readonly string[]): Reader => ({
  name: client.user.username,
  conversationIds,
  live: client.connections.map((events) =>
    events.flatMap((event) => (event.name === 'message:new' ? [event.payload.message.id] : [])),
  ),
  held: conversationIds.flatMap((id) => client.state.messages(id)),
});

describe.each(Object.entries(modes))('in %s mode', (_, start) => {
  let deployment: OwnDeployment | undefined;
  const clients: ChatClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect();
    await deployment?.stop();
    deployment = undefined;
  });

  it('SIGKILL of the writer during 1,000 sends loses and duplicates nothing', async () => {
    deployment = await start();
    const { urls } = deployment;
    clients.push(
      ...(await Promise.all(
        Array.from({ length: users }, (_unused, index) => ChatClient.register(urls[index % urls.length]!)),
      )),
    );
    await Promise.all(clients.map((client) => client.connect()));
    const memberIds = clients.slice(1).map(({ user }) => user.id);
    const created = await Promise.all(
      Array.from({ length: conversations }, (_unused, index) =>
        clients[0]!.call('conversation.create', { kind: 'group', title: `group ${index}`, memberIds }),
      ),
    );
    const ids = created.map(({ conversation }) => conversation.id);

    const load = new Load(clients, ids);
    const sending = load.run();
    await Promise.race([load.untilAcknowledged(killAfter), sending]);
    const acknowledgedBefore = load.acknowledged;
    await deployment.killWriter();
    await deployment.restartWriter();
    await sending;

    expect(acknowledgedBefore).toBeLessThan(users * conversations * perStream);
    expect(load.attempts).toHaveLength(users * conversations * perStream);
    for (const client of clients)
      if (!client.connected) await client.waitFor('session:ready', () => true, 20_000, client.events.length);
    for (const client of clients) await client.sync();
    const stored: StoredMessage[] =
      (await deployment.stored(ids)) ?? (await Promise.all(ids.map((id) => clients[0]!.history(id)))).flat();
    expect(
      judge(
        load.attempts,
        stored,
        clients.map((client) => reader(client, ids)),
      ),
    ).toEqual(nothing);
  });
});
