/**
 * Random histories of a small team whose clients drop and reconnect. In the end their state must equal a fresh load (I9).
 */
import {
  ChatError,
  type CallArguments,
  type CallName,
  type Conversation,
  type Member,
  type Message,
} from '@parley/contracts';
import { ChatClient, eventually, NoAnswer, seeded } from '@parley/testing';

/** One conversation as a user sees it, without fields that depend on how it was loaded. */
interface View {
  readonly description: Omit<Conversation, 'me' | 'lastMessage' | 'rev' | 'lastSeq' | 'memberCount'> & {
    memberCount: number;
  };
  readonly rev: number;
  readonly messages: readonly Message[];
  readonly members: readonly Omit<Member, 'readSeq' | 'deliveredSeq'>[];
  readonly positions: readonly (readonly [string, number, number])[];
  readonly mine: unknown;
  readonly unread: readonly [number, number];
}

/** The state of each user's device, and the state that a new device loads. */
interface Seen {
  readonly held: readonly Record<string, View>[];
  readonly fresh: readonly Record<string, View>[];
}

const withoutMine = (message: Message): Message => ({
  ...message,
  reactions: message.reactions.map(({ mine: _mine, ...reaction }) => reaction),
});

/** The state of a client. */
export function held({ state }: ChatClient, ids: readonly string[]): Record<string, View> {
  const views = ids.flatMap((id): [string, View][] => {
    const one = state.conversations.get(id);
    if (!one) return [];
    const { me: _me, lastMessage: _last, rev: _rev, lastSeq: _seq, ...description } = one.conversation;
    const members = [...one.members.values()]
      .map(({ readSeq: _read, deliveredSeq: _delivered, ...member }) => member)
      .sort((a, b) => (a.userId < b.userId ? -1 : 1));
    const positions = members
      .filter(({ status }) => status !== 'banned')
      .map(({ userId }) => {
        const { readSeq, deliveredSeq } = one.receipts.get(userId) ?? { readSeq: 0, deliveredSeq: 0 };
        return [userId, readSeq, deliveredSeq] as const;
      });
    return [
      [
        id,
        {
          description,
          rev: one.cursor,
          messages: state.messages(id).map(withoutMine),
          members,
          positions,
          mine: one.mine,
          unread: [state.unread(id), state.mentions(id)],
        },
      ],
    ];
  });
  return Object.fromEntries(views);
}

type Step = readonly [weight: number, act: (team: Team, who: ChatClient) => Promise<unknown>];
const words = ['tea', 'rain', 'map', 'lamp', 'river', 'stone'];
const emojis = ['👍', '🎉', '❤️'];

/** Calls over the socket, or over HTTP if the call has no socket event. */
const call = <N extends CallName>(who: ChatClient, name: N, input: CallArguments<N>): Promise<unknown> =>
  who.http(name, input);

const steps: readonly Step[] = [
  [10, (team, who) => who.send(team.conversation(), team.text())],
  [
    2,
    (team, who) =>
      who.call('message.send', {
        conversationId: team.conversation(),
        clientId: team.fresh(),
        body: team.text(),
        replyTo: team.message(who),
      }),
  ],
  [
    1,
    (team, who) =>
      who.call('message.send', {
        conversationId: team.conversation(),
        clientId: team.fresh(),
        forwardOf: team.message(who),
      }),
  ],
  [3, (team, who) => who.call('message.edit', { messageId: team.message(who, true), body: team.text() })],
  [2, (team, who) => who.call('message.delete', { messageId: team.message(who, true) })],
  [5, (team, who) => who.call('reaction.add', { messageId: team.message(who), emoji: team.one(emojis) })],
  [2, (team, who) => who.call('reaction.remove', { messageId: team.message(who), emoji: team.one(emojis) })],
  [1, (team, who) => call(who, 'message.pin', { messageId: team.message(who) })],
  [1, (team, who) => call(who, 'message.unpin', { messageId: team.message(who) })],
  [4, (team, who) => team.read(who)],
  [2, (team, who) => who.call('receipt.delivered', { conversationId: team.conversation(), seq: team.below(40) })],
  [1, (team, who) => team.mark(who)],
  [1, (team, who) => team.notify(who)],
  [
    2,
    (team, who) =>
      call(who, 'conversation.update', {
        conversationId: team.conversation(),
        title: team.text().slice(0, 40),
        ...(team.chance(0.3) ? { color: '#a1b2c3' } : {}),
      }),
  ],
  [2, (team, who) => call(who, 'member.add', { conversationId: team.conversation(), userId: team.somebody() })],
  [1, (team, who) => call(who, 'member.remove', { conversationId: team.conversation(), userId: team.somebody() })],
  [
    1,
    (team, who) =>
      call(who, 'member.update', {
        conversationId: team.conversation(),
        userId: team.somebody(),
        role: team.one(['admin', 'member']),
      }),
  ],
  [
    2,
    (team, who) =>
      call(who, 'member.update', {
        conversationId: team.conversation(),
        userId: team.somebody(),
        status: team.one(['muted', 'active', 'banned', 'active']),
      }),
  ],
  [1, (team, who) => who.call('conversation.leave', { conversationId: team.conversation() })],
  [2, (team, who) => who.call('conversation.join', { conversationId: team.conversation() })],
  [
    1,
    (team, who) =>
      who.call('drawing.draw', {
        conversationId: team.conversation(),
        line: { id: team.fresh(), color: '#000000', width: 2, points: [0, 0, team.below(9), 1] },
      }),
  ],
  [1, (team, who) => who.call('drawing.reset', { conversationId: team.conversation() })],
];
const weights = steps.reduce((sum, [weight]) => sum + weight, 0);

/** Syncs as clients do: if the connection drops, it waits for the reconnect and tries again. */
async function persist(who: ChatClient): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await eventually(() => who.connected, { timeoutMs: 20_000 }).catch(() =>
        Promise.reject(new Error(`${who.user.username} did not come back: ${who.connectionState}`)),
      );
      return void (await who.sync());
    } catch (error) {
      if (!(error instanceof NoAnswer) || attempt === 5) throw error;
    }
  }
}

/** Four users with one device each, and the conversations of a history. */
export class Team {
  private ids: string[] = [];
  private random: () => number = Math.random;
  private drawn = 0;
  /** Whether a call of this history stayed without an answer. */
  private cutOff = false;
  /** Whether the first user still has the connection with which the history started. */
  private steady: () => boolean = () => true;

  private constructor(readonly people: readonly ChatClient[]) {}

  static async gather(urls: readonly string[]): Promise<Team> {
    const people = await Promise.all(Array.from({ length: 4 }, (_, n) => ChatClient.guest(urls[n % urls.length]!)));
    await Promise.all(people.map((one) => one.connect()));
    return new Team(people);
  }

  /** The events that a user received in this history, for diagnosing a failure. */
  told(index: number): string {
    return this.people[index]!.events.flatMap(({ name, payload }) => {
      const text = JSON.stringify(payload);
      return name === 'session:ready' || this.ids.some((id) => text.includes(id))
        ? `${name} ${text.slice(0, 400)}`
        : [];
    }).join('\n');
  }

  leave(): void {
    for (const one of this.people) one.disconnect();
  }

  /**
   * Plays the history of a seed. Resolves with the state of each device and of a new one. Deletes the conversations
   * afterwards.
   */
  async live(seed: number, length: number): Promise<Seen> {
    this.random = seeded(seed);
    this.cutOff = false;
    await this.begin();
    const connections = this.people[0]!.readyCount;
    this.steady = () => this.people[0]!.readyCount === connections;
    for (let n = 0; n < length; n++) {
      if (this.chance(0.12)) this.flicker(this.one(this.people.slice(1)));
      const acting = Array.from({ length: 1 + this.below(3) }, () => this.act(this.one(this.people)));
      await Promise.all(acting);
    }
    // An unanswered call may still be carried out between the two snapshots, so both are taken again.
    let seen = await this.compare();
    for (let again = 0; again < 3 && this.cutOff && JSON.stringify(seen.held) !== JSON.stringify(seen.fresh); again++)
      seen = await this.compare();
    await this.end();
    return seen;
  }

  private async compare(): Promise<Seen> {
    const fresh = await Promise.all(this.people.map((one) => this.load(one)));
    // The first user never drops unless the server closes the connection, so live events alone must suffice, plus a
    // full load of each joined conversation.
    await Promise.all(this.people.slice(this.steady() ? 1 : 0).map((one) => this.sync(one)));
    await eventually(
      async () => {
        if (this.steady() && (await this.people[0]!.loadWhole())) await this.sync(this.people[0]!);
        return JSON.stringify(held(this.people[0]!, this.ids)) === JSON.stringify(fresh[0]);
      },
      { timeoutMs: 3_000 },
    ).catch(() => undefined);
    return { held: this.people.map((one) => held(one, this.ids)), fresh };
  }

  private async begin(): Promise<void> {
    const [first, ...others] = this.people.map(({ user }) => user.id);
    const creator = this.people[0]!;
    const group = await creator.call('conversation.create', {
      kind: 'group',
      title: 'room',
      visibility: this.one(['public', 'private']),
      memberIds: others.slice(0, 2),
    });
    const another = await this.people[1]!.call('conversation.create', {
      kind: 'group',
      title: 'hall',
      visibility: 'public',
      memberIds: [first!, others[2]!],
    });
    this.ids = [group.conversation.id, another.conversation.id];
    await Promise.all(this.people.map((one) => this.sync(one)));
  }

  private async end(): Promise<void> {
    for (const id of this.ids) {
      const owner = this.people.find(
        (one) => one.state.conversations.get(id)?.members.get(one.user.id)?.role === 'creator',
      );
      await owner?.http('conversation.delete', { conversationId: id });
    }
  }

  /** Makes a call; refusals are as good as successes. */
  private async act(who: ChatClient): Promise<void> {
    let left = this.random() * weights;
    const [, act] = steps.find(([weight]) => (left -= weight) < 0)!;
    try {
      await act(this, who);
    } catch (error) {
      if (error instanceof NoAnswer) return void (this.cutOff = true);
      if (!(error instanceof ChatError) || error.code === 'internal' || error.code === 'unavailable') throw error;
    }
  }

  /** Drops the connection. Socket.IO reconnects, and the client syncs now or only at the end. */
  private flicker(who: ChatClient): void {
    who.drop();
    if (this.chance(0.5))
      void who
        .waitFor('session:ready', () => true, 10_000, who.events.length)
        .then(() => this.sync(who))
        .catch(() => undefined);
  }

  private readonly syncing = new Map<ChatClient, Promise<unknown>>();
  /** Runs at most one sync per client at a time. */
  private sync(who: ChatClient): Promise<unknown> {
    const next = (this.syncing.get(who) ?? Promise.resolve()).catch(() => undefined).then(() => persist(who));
    this.syncing.set(who, next);
    return next;
  }

  /** The state that a new device of the user loads. */
  private async load(who: ChatClient): Promise<Record<string, View>> {
    const device = who.device();
    await device.connect();
    try {
      await device.sync();
      const views = held(device, this.ids);
      for (const [id, view] of Object.entries(views)) {
        // The server's counts, not the device's.
        const { me } = (await device.http('conversation.get', { conversationId: id })).conversation;
        (view as { unread: unknown }).unread = [me!.unread, me!.mentions];
      }
      return views;
    } finally {
      device.disconnect();
    }
  }

  // Random values for the steps.
  below = (n: number): number => Math.floor(this.random() * n);
  chance = (p: number): boolean => this.random() < p;
  one = <T>(list: readonly T[]): T => list[this.below(list.length)]!;
  conversation = (): string => this.one(this.ids);
  somebody = (): string => this.one(this.people).user.id;
  fresh = (): string => `n${this.drawn++}-${this.people[0]!.user.id}`;
  text = (): string =>
    `${this.one(words)} ${this.one(words)}${this.chance(0.3) ? ` @${this.one(this.people).user.username}` : ''}`;

  /** A message that the user has, or one of their own. */
  message(who: ChatClient, own = false): string {
    const known = who.state
      .messages(this.conversation())
      .filter(({ senderId, type }) => type !== 'system' && (!own || senderId === who.user.id));
    return known.length === 0 ? this.ids[0]! : this.one(known.slice(-8)).id;
  }

  read(who: ChatClient): Promise<void> {
    const [conversationId, seq] = [this.conversation(), this.below(40)];
    return this.alone(who, async () => {
      const { receipt } = await who.call('receipt.read', { conversationId, seq });
      who.state.receipt(receipt);
      who.state.marked(conversationId, undefined);
    });
  }

  mark(who: ChatClient): Promise<void> {
    return this.set(who, { conversationId: this.conversation(), unreadFrom: 1 + this.below(20) });
  }

  notify(who: ChatClient): Promise<void> {
    return this.set(who, {
      conversationId: this.conversation(),
      notifications: this.one(['all', 'mentions', 'none'] as const),
    });
  }

  private set(who: ChatClient, wish: CallArguments<'conversation.me'>): Promise<void> {
    return this.alone(who, async () =>
      who.state.own(wish.conversationId, (await who.http('conversation.me', wish)).me),
    );
  }

  private readonly alones = new Map<ChatClient, Promise<unknown>>();
  /** One at a time per user, because two answers about their settings on two connections have no order. */
  private alone(who: ChatClient, work: () => Promise<void>): Promise<void> {
    const next = (this.alones.get(who) ?? Promise.resolve()).catch(() => undefined).then(work);
    this.alones.set(who, next);
    return next;
  }
}
