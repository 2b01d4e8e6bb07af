import type { Broker } from '@parley/broker';
import type { Membership, Role } from '@parley/contracts';
import type { Push } from '@parley/realtime';
import type { Created } from './create-conversation.js';
import type { Sent } from './send-batch.js';

/**
 * Tells the members and the other services what was committed: first the pushes, then the events. Repeating it is harmless: gateways drop a frame whose id
 * they have seen, consumers of events are idempotent. Rejects with `Unavailable` when the broker did not confirm all of it; then the commands come again.
 */
export class Announcer {
  constructor(
    private readonly broker: Broker,
    private readonly push: Push,
  ) {}

  /** `message:new` to every connection of every member, the sender's own included. */
  async messages(all: readonly Pick<Sent, 'message' | 'members'>[]): Promise<void> {
    await Promise.all(all.map(({ message, members }) => this.push.toUsers(members, 'message:new', { message }, { id: `${message.conversationId}:${message.rev}` })));
    await Promise.all(all.map(({ message }) => this.broker.publish('message.created.v1', { message })));
  }

  /** `conversation:new` to every member, each with its own `me`, and its system message after it. */
  async conversation({ conversation, members, opening }: Created): Promise<void> {
    const userIds = members.map(({ user_id }) => user_id);
    for (const role of new Set(members.map((member) => member.role))) {
      const users = members.filter((member) => member.role === role).map(({ user_id }) => user_id);
      await this.push.toUsers(users, 'conversation:new', { conversation: { ...conversation, me: newcomer(role) } }, { id: `${conversation.id}:new:${role}` });
    }
    const { me: _me, ...description } = conversation;
    await this.broker.publish('conversation.created.v1', { conversation: description, memberIds: userIds });
    if (opening) await this.messages([{ message: opening, members: userIds }]);
  }
}

const newcomer = (role: Role): Membership => ({ role, status: 'active', readSeq: 0, deliveredSeq: 0, unread: 0, mentions: 0, notifications: 'all' });
