/** Where the rules are tested: one deployment, and people at all of its gateways. */
import { ChatError, type CallArguments, type CallName, type Conversation, type ErrorCode } from '@parley/contracts';
import { ChatClient, type ClientOptions, type RecordedEvent } from '@parley/testing';
import type { Deployment } from './modes.js';

type Many<N extends number, L extends ChatClient[] = []> = number extends N
  ? ChatClient[]
  : L['length'] extends N
    ? L
    : Many<N, [...L, ChatClient]>;

export class Stage {
  private readonly people: ChatClient[] = [];
  private constructor(readonly deployment: Deployment) {}

  static async open(start: () => Promise<Deployment>): Promise<Stage> {
    return new Stage(await start());
  }

  async close(): Promise<void> {
    for (const one of this.people) one.disconnect();
    await this.deployment.stop();
  }

  /** The address of each gateway in turn. */
  get url(): string {
    const { urls } = this.deployment;
    return urls[this.people.length % urls.length]!;
  }

  /** Somebody who is connected; a guest, which is cheaper than an account. */
  guest = async (options: ClientOptions = {}): Promise<ChatClient> => this.connect(ChatClient.guest(this.url, options));
  person = async (options: ClientOptions = {}): Promise<ChatClient> =>
    this.connect(ChatClient.register(this.url, options));
  guests = async <N extends number>(count: N): Promise<Many<N>> =>
    (await Promise.all(Array.from({ length: count }, () => this.guest()))) as Many<N>;
  /** Another device of theirs, at another gateway where there is one. */
  device = async (of: ChatClient): Promise<ChatClient> =>
    this.connect(Promise.resolve(of.device(this.deployment.urls.find((url) => url !== of.url))));

  private async connect(coming: Promise<ChatClient>): Promise<ChatClient> {
    const client = await coming;
    this.people.push(client);
    await client.connect();
    return client;
  }

  /** A group of the first one's with the others in it. */
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

  /** Waits until what was told before has arrived: something told later has. For what must not have arrived. */
  async settle(...clients: readonly ChatClient[]): Promise<void> {
    const { id } = await this.group([await this.guest(), ...clients]);
    await Promise.all(
      clients.map((one) => one.waitFor('conversation:new', ({ conversation }) => conversation.id === id)),
    );
  }
}

/** The code of the refusal, or `ok`. */
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

/** The different codes of many answers. */
export const allCodes = async (answers: readonly Promise<unknown>[]): Promise<(ErrorCode | 'ok')[]> => [
  ...new Set(await Promise.all(answers.map(codeOf))),
];

/** What a call answers over the socket and over HTTP, as codes. */
export const codesOf = async <N extends CallName>(
  who: ChatClient,
  name: N,
  input: CallArguments<N>,
): Promise<(ErrorCode | 'ok')[]> => [await codeOf(who.call(name, input)), await codeOf(who.http(name, input))];

/** What a client was told of a conversation, from an index of its events on. */
export const told = ({ events }: ChatClient, conversationId: string, from = 0): RecordedEvent[] =>
  events.slice(from).filter(({ payload }) => JSON.stringify(payload).includes(conversationId));
export const names = (events: readonly RecordedEvent[]): string[] => events.map(({ name }) => name);
/** So many milliseconds ahead, as the wire has it. */
export const ahead = (ms: number): string => new Date(Date.now() + ms).toISOString();
export const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
