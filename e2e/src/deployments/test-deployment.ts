/** One deployment under test, and connected users spread over its gateways. */
import { ChatError, type CallArguments, type CallName, type Conversation, type ErrorCode } from '@parley/contracts';
import { ChatClient, type ClientOptions, type RecordedEvent } from '@parley/testing';
import type { Deployment } from './modes.js';

type Many<N extends number, L extends ChatClient[] = []> = number extends N
  ? ChatClient[]
  : L['length'] extends N
    ? L
    : Many<N, [...L, ChatClient]>;

export class TestDeployment {
  private readonly people: ChatClient[] = [];
  private constructor(private readonly deployment: Deployment) {}

  static async open(start: () => Promise<Deployment>): Promise<TestDeployment> {
    return new TestDeployment(await start());
  }

  async close(): Promise<void> {
    for (const one of this.people) one.disconnect();
    await this.deployment.stop();
  }

  /** One address per gateway. */
  get urls(): readonly string[] {
    return this.deployment.urls;
  }

  /** The gateways in turn: each new user gets the next one. */
  get url(): string {
    return this.urls[this.people.length % this.urls.length]!;
  }

  /** A connected guest; cheaper than an account. */
  guest = async (options: ClientOptions = {}): Promise<ChatClient> => this.connect(ChatClient.guest(this.url, options));
  person = async (options: ClientOptions = {}): Promise<ChatClient> =>
    this.connect(ChatClient.register(this.url, options));
  guests = async <N extends number>(count: N): Promise<Many<N>> =>
    (await Promise.all(Array.from({ length: count }, () => this.guest()))) as Many<N>;
  /** Another device of the same user, at another gateway if there is one. */
  device = async (of: ChatClient): Promise<ChatClient> =>
    this.connect(Promise.resolve(of.device(this.urls.find((url) => url !== of.url))));

  private async connect(coming: Promise<ChatClient>): Promise<ChatClient> {
    const client = await coming;
    this.people.push(client);
    await client.connect();
    return client;
  }

  /** A group that the first user creates with the others as members. */
  async group(
    [creator, ...others]: readonly ChatClient[],
    more: Omit<CallArguments<'conversation.create'>, 'kind'> & { kind?: 'group' | 'channel' } = {},
  ): Promise<Conversation> {
    const { conversation } = await creator!.call('conversation.create', {
      kind: 'group',
      title: 'a group',
      memberIds: others.map(({ user }) => user.id),
      ...more,
    });
    return conversation;
  }

  async direct(one: ChatClient, other: ChatClient): Promise<string> {
    return (await one.call('conversation.create', { kind: 'direct', memberIds: [other.user.id] })).conversation.id;
  }

  /**
   * Waits until all earlier events have arrived, by creating a later one. Use it before asserting that an event did not
   * arrive.
   */
  async settle(...clients: readonly ChatClient[]): Promise<void> {
    const { id } = await this.group([await this.guest(), ...clients]);
    await Promise.all(
      clients.map((one) => one.waitFor('conversation:new', ({ conversation }) => conversation.id === id)),
    );
  }
}

/** The error code of the answer, or `ok`. */
export const codeOf = async (answer: Promise<unknown>): Promise<ErrorCode | 'ok'> =>
  (await refusalOf(answer))?.code ?? 'ok';

export async function refusalOf(answer: Promise<unknown>): Promise<ChatError | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
}

/** The distinct codes of several answers. */
export const allCodes = async (answers: readonly Promise<unknown>[]): Promise<(ErrorCode | 'ok')[]> => [
  ...new Set(await Promise.all(answers.map(codeOf))),
];

/** The codes of the same call over the socket and over HTTP. */
export const codesOf = async <N extends CallName>(
  who: ChatClient,
  name: N,
  input: CallArguments<N>,
): Promise<(ErrorCode | 'ok')[]> => [await codeOf(who.call(name, input)), await codeOf(who.http(name, input))];

/** The events about a conversation that a client received, starting at an index of its events. */
export const eventsAbout = ({ events }: ChatClient, conversationId: string, from = 0): RecordedEvent[] =>
  events.slice(from).filter(({ payload }) => JSON.stringify(payload).includes(conversationId));
export const namesOf = (events: readonly RecordedEvent[]): string[] => events.map(({ name }) => name);
/** The time `ms` milliseconds from now, in wire format. */
export const timeIn = (ms: number): string => new Date(Date.now() + ms).toISOString();
export const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
