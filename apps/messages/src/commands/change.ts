import type { Delivery } from '@parley/broker';
import {
  accessRefusal,
  audienceOf,
  messageColumns,
  toConversation,
  toMessage,
  type Audience,
  type MessageRow,
} from '@parley/chat';
import {
  ChatError,
  foldName,
  newId,
  type Actor,
  type Conversation,
  type Message,
  type SystemNote,
} from '@parley/contracts';
import type { Database, Sql } from '@parley/store';
import type { News } from './publisher.js';
import { lockConversations, sendersOf, type LockedConversation, type Sender } from '../sending/sql.js';
import type { Standings } from './conversation-cache.js';

/** What a change of the conversation's own row touches beside its `rev`: catch-up asks by these which parts to answer. */
export type Part = 'conversation' | 'members' | 'drawing';

/** How a command came: under which request, and whether perhaps not for the first time. */
export interface Command {
  readonly caller: Actor;
  readonly redelivered: boolean;
}
export const commandOf = ({
  payload: { caller },
  redelivered,
}: Pick<Delivery<{ caller: Actor }>, 'payload' | 'redelivered'>): Command => ({ caller, redelivered });

/** The clientId of the system message that a request writes: longer than those that clients may choose, so that none is ever in its way. */
export const noteKey = (requestId: string, conversationId: string): string => `system:${requestId}:${conversationId}`;

/**
 * One change of one conversation, under the lock of its row: nobody else gives out its `seq` and `rev`, or changes its members, until the commit. The row is written back once, at
 * the end, and only when a `rev` was taken.
 */
export class Change {
  /** What to tell after the commit, in this order. */
  readonly news: News[] = [];
  private touched = false;
  private membersMoved = false;

  constructor(
    readonly sql: Sql,
    readonly command: Command,
    /** May be changed; it is written back. */
    readonly conversation: LockedConversation,
    /** What the caller is here. `now` is the time of this change. */
    readonly member: Sender,
    private readonly members: Audience,
  ) {}

  get userId(): string {
    return this.command.caller.userId;
  }
  get now(): Date {
    return this.member.now;
  }
  /** True when news have to be told again although nothing changes: an earlier delivery of this command may have been cut off before it told them. */
  get repeat(): boolean {
    return this.command.redelivered;
  }

  /** The next `rev`; `parts` are what it changes of the conversation beside a message. */
  nextRev(...parts: readonly Part[]): number {
    this.touched = true;
    const rev = ++this.conversation.rev;
    for (const part of parts) this.conversation[`${part}_rev`] = rev;
    this.membersMoved ||= parts.includes('members');
    return rev;
  }

  /** Who hears of the conversation now: after a change of its members, who is there after it. */
  async audience(): Promise<readonly string[]> {
    const { id, members_rev } = this.conversation;
    // Not remembered before the commit: were this change undone, another one would get the same `members_rev`.
    if (this.membersMoved) return audienceOf(this.sql, id);
    return (await this.members.of(this.sql, [{ conversationId: id, membersRev: members_rev }])).get(id) ?? [];
  }

  /** The conversation without what is the viewer's alone. */
  describe(): Conversation {
    return toConversation(this.conversation);
  }

  /**
   * Writes the system message of this command: the next message of the conversation, by the caller. A command writes at most one; {@link earlierNote} finds it when the command comes
   * again.
   */
  async note(system: SystemNote): Promise<Message> {
    const { conversation, now } = this;
    conversation.last_seq += 1;
    if (now > conversation.active_at) conversation.active_at = now;
    const rev = this.nextRev();
    const [row] = await this.sql.query<MessageRow>(
      `insert into chat.message as m (conversation_id, seq, rev, id, sender_id, client_id, type, body, system, created_at)
       values ($1, $2, $3, $4, $5, $6, 'system', '', $7::jsonb, $8) returning ${messageColumns('m')}`,
      [
        conversation.id,
        conversation.last_seq,
        rev,
        newId(conversation.id),
        this.userId,
        this.noteKey,
        system,
        conversation.active_at,
      ],
    );
    return toMessage(row!);
  }

  /** The system message that an earlier delivery of this same command wrote. */
  async earlierNote(): Promise<Message | undefined> {
    if (!this.repeat) return undefined;
    const [row] = await this.sql.query<MessageRow>(
      `select ${messageColumns('m')} from chat.message m where m.conversation_id = $1 and m.sender_id = $2 and m.client_id = $3 limit 1`,
      [this.conversation.id, this.userId, this.noteKey],
    );
    return row && toMessage(row);
  }

  private get noteKey(): string {
    return noteKey(this.command.caller.requestId, this.conversation.id);
  }

  /** Writes the conversation's row back, if it was changed. Called by {@link changeConversation} at the end; earlier only where something reads the row meanwhile. */
  async save(): Promise<void> {
    if (!this.touched) return;
    this.touched = false;
    const c = this.conversation;
    await this.sql.query(
      `update chat.conversation set title = $2, topic = $3, color = $4, visibility = $5, policy = $6::jsonb, last_seq = $7, rev = $8, conversation_rev = $9, members_rev = $10,
         drawing_rev = $11, member_count = $12, active_at = $13, deleted_at = $14, folded_title = $15
       where id = $1`,
      [
        c.id,
        c.title,
        c.topic,
        c.color,
        c.visibility,
        c.policy,
        c.last_seq,
        c.rev,
        c.conversation_rev,
        c.members_rev,
        c.drawing_rev,
        c.member_count,
        c.active_at,
        c.deleted_at,
        foldTitle(c.title),
      ],
    );
  }
}

const foldTitle = (title: string | null): string | null => (title === null ? null : foldName(title));

export interface Changed<T> {
  readonly answer: T;
  readonly news: readonly News[];
}

/**
 * What is asked before the work: `member` for what only members may ask; `visible` also lets others in to a public one; `unchecked` leaves it to the work, which looks first whether this
 * very command has ended the caller's access.
 */
export type Access = 'member' | 'visible' | 'unchecked';

/** Refuses whoever may not know of the conversation. */
export function demandAccess({ conversation, member }: Change, access: 'member' | 'visible'): void {
  const refused = accessRefusal(conversation, member, access);
  if (refused) throw refused;
}

/**
 * Changes a conversation in one transaction: locks it, refuses whoever may not know of it, lets `work` check and write, and writes the row back. `work` may run again after a conflict.
 * What it throws undoes everything.
 */
export async function changeConversation<T>(
  {
    database,
    audience,
    standings,
  }: { readonly database: Database; readonly audience: Audience; readonly standings: Standings },
  conversationId: string,
  command: Command,
  access: Access,
  work: (change: Change) => Promise<T>,
): Promise<Changed<T>> {
  const { after, ...changed } = await database.transaction(async (sql) => {
    const [conversation] = await lockConversations(sql, [conversationId]);
    const [standing] = await sendersOf(sql, [{ conversationId, senderId: command.caller.userId }]);
    if (!conversation) throw new ChatError('not_found', 'No such conversation');
    const change = new Change(sql, command, conversation, standing!, audience);
    if (access !== 'unchecked') demandAccess(change, access);
    const answer = await work(change);
    await change.save();
    return { answer, news: change.news, after: conversation };
  });
  standings.advance(after);
  return changed;
}

/** The conversation of a message. Throws `not_found`. */
export async function conversationOf(sql: Sql, messageId: string): Promise<string> {
  const [row] = await sql.query<{ conversation_id: string }>(`select conversation_id from chat.message where id = $1`, [
    messageId,
  ]);
  if (!row) throw new ChatError('not_found', 'No such message');
  return row.conversation_id;
}
