/**
 * Users who chat while the target breaks. Each sends, reads, edits and reconnects as a correct client does; every call
 * and event goes into the history.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ChatError,
  errorTable,
  type CallArguments,
  type CallName,
  type CallOutput,
  type Message,
} from '@parley/contracts';
import { ChatClient, eventually, NoAnswer, seeded, type Attempt, type ClientOptions } from '@parley/testing';

/** I10 promises an answer within 10 s. A call that waits longer on a connection that stayed open counts as unanswered. */
export const ANSWER_TIMEOUT_MS = 12_000;

/**
 * Users must be back within this time after a fault. The reconnects that follow one may still interrupt calls until then.
 */
const RECONNECT_TIMEOUT_MS = 35_000;

/**
 * Makes a call that reads, or that may be carried out twice, again and again until it is answered. Not for calls whose
 * answer is checked: an interruption is no error here. Rejects with a final refusal at once, and after
 * {@link RECONNECT_TIMEOUT_MS} with the last failure.
 */
export async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + RECONNECT_TIMEOUT_MS; ;) {
    try {
      return await call();
    } catch (error) {
      if (isFinal(error) || performance.now() > deadline) throw error;
      await pause(100);
    }
  }
}

const isFinal = (error: unknown): boolean => error instanceof ChatError && !errorTable[error.code].retry;

/** A connected guest. */
export async function connectedGuest(url: string, options?: ClientOptions): Promise<ChatClient> {
  const client = await untilAnswered(() => ChatClient.guest(url, options));
  await untilAnswered(() => client.connect());
  return client;
}

/** One line of a history: a call, its result, or an event that a client received. */
type Line = Readonly<Record<string, unknown>>;

export class History {
  private readonly file: WriteStream | undefined;
  private readonly begun = performance.now();
  constructor(path: string | undefined) {
    this.file = path === undefined ? undefined : createWriteStream(path);
  }
  write(line: Line): void {
    this.file?.write(`${JSON.stringify({ ms: Math.round(performance.now() - this.begun), ...line })}\n`);
  }
  async close(): Promise<void> {
    if (this.file) await new Promise<void>((resolve) => this.file!.end(resolve));
  }
}

/** A user with one device. */
export class Person {
  /** The highest acknowledged read position per conversation. */
  readonly read = new Map<string, number>();
  private followed = 0;
  private following: Promise<void> | undefined;

  constructor(
    readonly client: ChatClient,
    readonly name: string,
  ) {}

  get id(): string {
    return this.client.user.id;
  }

  /** Syncs once per reconnect. Resolves when done, or when disconnected. */
  async caughtUp(): Promise<void> {
    const { client } = this;
    if (this.followed >= client.readyCount && client.connected) return;
    this.following ??= (async () => {
      while (client.connected && this.followed < client.readyCount) {
        const ready = client.readyCount;
        await client.sync();
        this.followed = ready;
      }
    })().finally(() => (this.following = undefined));
    await this.following;
  }

  /** Resolves when connected and caught up. Rejects after {@link RECONNECT_TIMEOUT_MS}. */
  async present(): Promise<void> {
    await eventually(
      async () => {
        await this.caughtUp();
        return this.client.connected;
      },
      { timeoutMs: RECONNECT_TIMEOUT_MS },
    );
  }
}

/** Messages that a user sends one after another without waiting for answers. */
export interface Bursts {
  /** How many of all actions are bursts, from 0 to 0.75. */
  readonly share: number;
  readonly size: number;
  /** Between two messages of a burst. Messages of one moment may travel to the service in one AMQP message. */
  readonly gapMs: number;
}

export interface LoadOptions {
  readonly seed: number;
  /** The gateways' addresses; users are spread over them. */
  readonly urls: readonly string[];
  readonly history: History;
  readonly people?: number;
  readonly groups?: number;
  /** The mean pause between two actions of one user in one conversation. */
  readonly paceMs?: number;
}

/** Problems of callers that the oracle cannot see in the data. */
export interface Complaints {
  /** Calls without an answer on a connection that stayed open (I10). */
  readonly unanswered: string[];
  /** Refusals that a correct client cannot cause. */
  readonly refused: string[];
}

export class Load {
  readonly attempts: Attempt[] = [];
  readonly complaints: Complaints = { unanswered: [], refused: [] };
  readonly latencies: number[] = [];
  calls = 0;
  retries = 0;
  acknowledged = 0;
  people: Person[] = [];
  /** A member of none of the others' conversations, who must never receive their events (I8). */
  stranger!: Person;
  /** Is added to and removed from the first group all the time. */
  churner!: Person;
  groups: string[] = [];
  bursts: Bursts = { share: 0.15, size: 3, gapMs: 0 };
  /** How many bursts were answered without a retry, so that their order is checked. */
  orderedBursts = 0;
  /** Addresses of stopped gateways, which cannot answer. */
  readonly frozenGateways = new Set<string>();
  /** Everybody, also before all have arrived. */
  private readonly arrived: Person[] = [];
  private running = false;
  private readonly work: Promise<void>[] = [];

  constructor(private readonly options: LoadOptions) {}

  get urls(): readonly string[] {
    return this.options.urls;
  }

  get all(): Person[] {
    return [...this.people, this.churner, this.stranger];
  }

  /** Connects all users and creates the conversations. Reconnects of the fault before may interrupt it. */
  async arrive(): Promise<void> {
    const { urls, people = 6, groups = 3 } = this.options;
    const arrive = async (index: number): Promise<Person> => {
      const client = await connectedGuest(urls[index % urls.length]!, { callTimeoutMs: ANSWER_TIMEOUT_MS });
      const person = new Person(client, `p${index}`);
      this.arrived.push(person);
      return person;
    };
    const all = await Promise.all(Array.from({ length: people + 2 }, (_, index) => arrive(index)));
    this.people = all.slice(0, people);
    [this.churner, this.stranger] = all.slice(people) as [Person, Person];
    const [first, ...others] = this.people;
    const memberIds = others.map(({ id }) => id);
    this.groups = await Promise.all(
      Array.from({ length: groups }, (_, n) => this.createGroup(first!, `group ${n}`, memberIds)),
    );
    const elsewhere = await this.createGroup(this.stranger, 'elsewhere', []);
    await untilAnswered(() => this.stranger.client.send(elsewhere, 'alone', 'alone'));
    // A message must be sent while the churner is a member, so that a stale cached audience contains them.
    await untilAnswered(() =>
      first!.client.http('member.add', { conversationId: this.groups[0]!, userId: this.churner.id }),
    );
    for (const person of this.all) await person.present();
    for (const person of this.all) this.recordEvents(person);
    await this.burst(first!, this.groups[0]!, 0, 1);
  }

  /** Resolves with its id. If an answer is lost, there is a second group, which nobody uses. */
  private async createGroup(creator: Person, title: string, memberIds: string[]): Promise<string> {
    const { conversation } = await untilAnswered(() =>
      creator.client.call('conversation.create', { kind: 'group', title, memberIds }),
    );
    return conversation.id;
  }

  /** All users act until `stop`. */
  start(): void {
    this.running = true;
    for (const [index, person] of this.people.entries()) {
      for (const [n, conversationId] of this.groups.entries())
        this.work.push(this.sendMessages(person, conversationId, seeded(this.options.seed * 1000 + index * 10 + n)));
      this.work.push(this.sendReceipts(person, seeded(this.options.seed * 1000 + index * 10 + 9)));
    }
    for (const person of this.all) this.work.push(this.catchUpAfterReconnects(person));
    this.work.push(this.churn());
  }

  /** Starts nothing new, and resolves when everything started has succeeded, with retries. */
  async stop(timeoutMs = 90_000): Promise<void> {
    this.running = false;
    const late = new AbortController();
    const end = pause(timeoutMs, 'late', { signal: late.signal }).catch(() => undefined);
    const outcome = await Promise.race([Promise.all(this.work), end]);
    late.abort();
    if (outcome === 'late')
      this.complaints.unanswered.push(`started work did not end within ${timeoutMs} ms after the fault`);
  }

  leave(): void {
    for (const { client } of this.arrived) client.disconnect();
  }

  /**
   * Repeats a call until it is answered, as an outbox does. Records and throws final refusals. Resolves also with
   * whether the first attempt succeeded.
   */
  async callUntilAnswered<N extends CallName>(
    person: Person,
    name: N,
    input: CallArguments<N>,
  ): Promise<{ output: CallOutput<N>; atOnce: boolean }> {
    for (let tries = 0; ; tries++) {
      try {
        return { output: await this.attempt(person, name, input), atOnce: tries === 0 };
      } catch (error) {
        if (!(error instanceof NoAnswer) && (!(error instanceof ChatError) || isFinal(error))) {
          this.complaints.refused.push(`${name}: ${String(error)}`);
          throw error;
        }
        this.retries += 1;
        await pause(50 + Math.min(1_000, 50 * tries));
        await eventually(() => person.client.connected, { timeoutMs: 120_000 });
      }
    }
  }

  private async attempt<N extends CallName>(person: Person, name: N, input: CallArguments<N>): Promise<CallOutput<N>> {
    const { client } = person;
    const op = ++this.calls;
    const connection = client.readyCount;
    const begun = performance.now();
    this.options.history.write({ type: 'invoke', op, by: person.name, call: name, input });
    try {
      const output = await client.call(name, input);
      this.latencies.push(performance.now() - begun);
      this.options.history.write({ type: 'ok', op, output });
      return output;
    } catch (error) {
      const known = error instanceof ChatError;
      this.options.history.write({ type: known ? 'fail' : 'unknown', op, error: String(error) });
      if (
        error instanceof NoAnswer &&
        !this.frozenGateways.has(client.url) &&
        performance.now() - begun > ANSWER_TIMEOUT_MS - 500 &&
        client.connected &&
        client.readyCount === connection
      ) {
        this.complaints.unanswered.push(`${person.name} ${name} (op ${op})`);
      }
      throw error;
    }
  }

  /** Sends one message after another, sometimes a burst; sometimes edits, reacts and deletes. */
  private async sendMessages(person: Person, conversationId: string, random: () => number): Promise<void> {
    const { paceMs = 700 } = this.options;
    let order = 1;
    const sent: Message[] = [];
    while (this.running) {
      await pause(paceMs * 2 * random());
      if (!this.running || !person.client.connected) continue;
      const dice = random();
      const { share, size } = this.bursts;
      if (dice < 0.75 || sent.length === 0)
        sent.push(...(await this.burst(person, conversationId, order, dice < share ? size : 1)));
      else if (dice < 0.85)
        await this.callUntilAnswered(person, 'message.edit', { messageId: sent.at(-1)!.id, body: `edited ${order}` });
      else if (dice < 0.97)
        await this.callUntilAnswered(person, 'reaction.add', {
          messageId: sent[Math.floor(random() * sent.length)]!.id,
          emoji: '👍',
        });
      else await this.callUntilAnswered(person, 'message.delete', { messageId: sent.pop()!.id });
      order += size;
    }
  }

  private async burst(person: Person, conversationId: string, from: number, size: number): Promise<Message[]> {
    const { gapMs } = this.bursts;
    // One after the other: timers of different durations may fire in any order once they are late.
    let begin: Promise<void> = Promise.resolve();
    const answers = await Promise.all(
      Array.from({ length: size }, (_, n) => {
        const answer = begin.then(() => this.sendNumbered(person, conversationId, from + n));
        if (gapMs > 0) begin = begin.then(() => pause(gapMs));
        return answer;
      }),
    );
    // Order is promised only to messages that needed no retry.
    const ordered = size === 1 || answers.every(({ atOnce }) => atOnce);
    if (size > 1 && ordered) this.orderedBursts += 1;
    for (const [n, { clientId, message }] of answers.entries()) {
      this.attempts.push({
        conversationId,
        senderId: person.id,
        clientId,
        answers: [message],
        ...(ordered && { order: from + n }),
      });
    }
    return answers.map(({ message }) => message);
  }

  private async sendNumbered(
    person: Person,
    conversationId: string,
    order: number,
  ): Promise<{ clientId: string; message: Message; atOnce: boolean }> {
    const clientId = `${person.id}-${conversationId.slice(-8)}-${order}`;
    const { output, atOnce } = await this.callUntilAnswered(person, 'message.send', {
      conversationId,
      clientId,
      body: `message ${order}`,
    });
    this.acknowledged += 1;
    return { clientId, message: output.message, atOnce };
  }

  /** Sends coalesced receipts for received messages; sometimes two at once, the older one last. */
  private async sendReceipts(person: Person, random: () => number): Promise<void> {
    const done = new Map<string, number>();
    const move = async (
      call: 'receipt.read' | 'receipt.delivered',
      conversationId: string,
      seq: number,
    ): Promise<void> => {
      if (seq < 1) return;
      const { output } = await this.callUntilAnswered(person, call, { conversationId, seq });
      if (call === 'receipt.read') person.read.set(conversationId, Math.max(person.read.get(conversationId) ?? 0, seq));
      person.client.state.receipt(output.receipt);
    };
    while (this.running) {
      await pause(300 + 400 * random());
      const newest = this.groups.flatMap((id) => {
        const seq = person.client.state.messages(id).at(-1)?.seq ?? 0;
        return seq > (done.get(id) ?? 0) ? [{ id, seq }] : [];
      });
      for (const { id, seq } of newest) {
        done.set(id, seq);
        const call = random() < 0.4 ? 'receipt.read' : 'receipt.delivered';
        await Promise.all([move(call, id, seq), ...(random() < 0.3 ? [move('receipt.delivered', id, seq - 2)] : [])]);
      }
    }
  }

  /** The creator of the first group adds and removes the churner. */
  private async churn(): Promise<void> {
    const [creator] = this.people;
    const [conversationId] = this.groups;
    for (let inside = true; ; inside = !inside) {
      if (!this.running && !inside) return;
      await pause(400);
      const input = { conversationId: conversationId!, userId: this.churner.id };
      // Over HTTP, because a retry then succeeds.
      await this.untilDone(async () => {
        if (inside) await creator!.client.http('member.remove', input);
        else await creator!.client.http('member.add', input);
      });
    }
  }

  private async untilDone(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ChatError && (error.code === 'not_found' || error.code === 'conflict')) return;
        await pause(300);
      }
    }
  }

  /** Syncs after every reconnect. */
  private async catchUpAfterReconnects(person: Person): Promise<void> {
    while (this.running) {
      await person.caughtUp().catch(() => undefined);
      await pause(100);
    }
  }

  private recordEvents(person: Person): void {
    let shown = person.client.events.length;
    const note = setInterval(() => {
      for (const { name, payload } of person.client.events.slice(shown))
        this.options.history.write({ type: 'shown', to: person.name, name, payload });
      shown = person.client.events.length;
    }, 250).unref();
    this.notes.push(note);
  }
  private readonly notes: NodeJS.Timeout[] = [];
  /** Stops writing events to the history. */
  stopRecording(): void {
    for (const note of this.notes) clearInterval(note);
  }
}
