import type { Broker } from '@parley/broker';
import type {
  DomainEvent,
  DomainEventName,
  Membership,
  Message,
  Role,
  ServerEvent,
  ServerEventName,
} from '@parley/contracts';
import { reached } from '@parley/faults';
import type { Push, PushOptions, Whereabouts } from '@parley/realtime';
import type { Created } from '../conversations/create.js';
import type { Sent } from '../sending/send.js';

/** Messages in one event: with the longest bodies, less than a megabyte. */
const TOGETHER = 50;
/** How long a new message waits for others to share its event: nobody waits for what other services make of it. */
const GATHER_MS = 25;

interface Untold {
  readonly message: Message;
  readonly told: () => void;
  readonly failed: (error: unknown) => void;
}

/** One thing to tell: to users, as a live event, and to the other services. */
export type News =
  | {
      [E in ServerEventName]: {
        readonly to: readonly string[];
        readonly event: E;
        readonly payload: ServerEvent<E>;
      } & PushOptions;
    }[ServerEventName]
  | { [N in DomainEventName]: { readonly publish: N; readonly payload: DomainEvent<N> } }[DomainEventName];

/**
 * Tells the members and the other services what was committed: first the pushes, then the events. Repeating it is harmless: gateways drop a frame whose id
 * they have seen, consumers of events are idempotent. Rejects with `Unavailable` when the broker did not confirm all of it; then the commands come again.
 */
export class Announcer {
  private untold: Untold[] = [];
  private gathering: NodeJS.Timeout | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly push: Push,
  ) {}

  /** One after another, so that a gateway gets them in this order; the events after the pushes. */
  async tell(news: readonly News[]): Promise<void> {
    for (const one of news) {
      if (!('event' in one)) continue;
      const { to, event, payload, ...options } = one;
      await this.push.toUsers(to, event, payload, options);
    }
    for (const one of news) if ('publish' in one) await this.broker.publish(one.publish, one.payload);
  }

  /** `message:new` to every connection of every member, the sender's own included. Resolves when the broker has it. `where`: as of after the commit, with all members. */
  async messages(all: readonly Pick<Sent, 'message' | 'members'>[], where?: Whereabouts): Promise<void> {
    await Promise.all(
      all.map(({ message, members }) =>
        this.push.toUsers(
          members,
          'message:new',
          { message },
          { id: `${message.conversationId}:${message.rev}`, ...(where && { where }) },
        ),
      ),
    );
    await reached('messages.pushed');
  }

  /** Tells the other services of a message, together with those that come shortly before and after it. Resolves when the broker has confirmed it. */
  created(message: Message): Promise<void> {
    return new Promise((told, failed) => {
      this.untold.push({ message, told, failed });
      if (this.untold.length === TOGETHER) void this.tellCreated();
      else this.gathering ??= setTimeout(() => void this.tellCreated(), GATHER_MS);
    });
  }

  private async tellCreated(): Promise<void> {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    const { untold } = this;
    this.untold = [];
    try {
      await this.broker.publish('message.created.v1', { messages: untold.map(({ message }) => message) });
      await reached('messages.published');
      for (const { told } of untold) told();
    } catch (error) {
      for (const { failed } of untold) failed(error);
    }
  }

  /** `conversation:new` to every member, each with its own `me`, and its system message after it. */
  async conversation({ conversation, members, opening }: Created): Promise<void> {
    const userIds = members.map(({ user_id }) => user_id);
    for (const role of new Set(members.map((member) => member.role))) {
      const users = members.filter((member) => member.role === role).map(({ user_id }) => user_id);
      await this.push.toUsers(
        users,
        'conversation:new',
        { conversation: { ...conversation, me: newcomer(role, 0) } },
        { id: `${conversation.id}:new:${role}` },
      );
    }
    const { me: _me, ...description } = conversation;
    await this.broker.publish('conversation.created.v1', { conversation: description, memberIds: userIds });
    if (!opening) return;
    await this.messages([{ message: opening, members: userIds }]);
    await this.broker.publish('message.created.v1', { messages: [opening] });
  }
}

/** What somebody is who joined when the conversation was at `lastSeq`. */
export const newcomer = (role: Role, lastSeq: number): Membership => ({
  role,
  status: 'active',
  readSeq: lastSeq,
  deliveredSeq: lastSeq,
  unread: 0,
  mentions: 0,
  notifications: 'all',
});
