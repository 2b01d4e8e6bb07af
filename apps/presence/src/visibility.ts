import { Injectable } from '@nestjs/common';
import { Broker } from '@parley/broker';
import { ChatError, type Presence } from '@parley/contracts';
import { Unavailable } from '@parley/service-kit';

/** Half of the time that a client's call may take. */
const DEADLINE_MS = 4_000;

/** The requested users whose presence the caller may see. */
export interface VisibleUsers {
  readonly open: readonly string[];
  /** Visible users who are shown as offline because of a block. */
  readonly blocked: readonly string[];
  /** Puts presences in the order in which the users were asked for, each once. Adds those of blocked users. */
  answer(presences: readonly Presence[]): Presence[];
}

/** A blocked user looks like a user who was never online. */
const offline = (userId: string): Presence => ({ userId, state: 'offline' });

/** Asks history for the users whose presence a user may see. */
@Injectable()
export class Visibility {
  constructor(private readonly broker: Broker) {}

  /** Rejects with {@link Unavailable} while history is unavailable. */
  async of(userId: string, wanted: readonly string[]): Promise<VisibleUsers> {
    const userIds = [...new Set(wanted)];
    const { visible, blocked } = userIds.length === 0 ? { visible: [], blocked: [] } : await this.ask(userId, userIds);
    const isBlocked = new Set(blocked);
    const [hidden, open] = [visible.filter((id) => isBlocked.has(id)), visible.filter((id) => !isBlocked.has(id))];
    return {
      open,
      blocked: hidden,
      answer(presences) {
        const byId = new Map([...presences, ...hidden.map(offline)].map((presence) => [presence.userId, presence]));
        return userIds.flatMap((id) => byId.get(id) ?? []);
      },
    };
  }

  private async ask(userId: string, userIds: string[]): Promise<{ visible: string[]; blocked: string[] }> {
    try {
      const answer = await this.broker.request('history.visible.v1', { userId, userIds }, { deadlineMs: DEADLINE_MS });
      return { visible: answer.userIds, blocked: answer.blocked };
    } catch (error) {
      if (error instanceof ChatError && error.code === 'unavailable')
        throw new Unavailable('history cannot tell which users are visible', { cause: error });
      throw error;
    }
  }
}
