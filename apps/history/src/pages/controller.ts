import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { requireMember, requireVisible, viewConversations } from '@parley/chat';
import { type RequestAnswer, type RequestPayload } from '@parley/contracts';
import type { Traces } from '@parley/realtime';
import type { Database, Sql } from '@parley/store';
import { locateAttachment } from '../attachments/locate.js';
import { readBoard } from '../drawing/board.js';
import { changesOf, epochOf } from '../sync/changes.js';
import { allMembers, listConversations, listMembers, listPublicConversations } from './conversations.js';
import { listEdits, listPins } from './message-lists.js';
import { isSent, openRange, rangeOf, readPage } from './messages.js';
import { receiptsOfMessage } from '../receipts/receipts.js';
import { sync } from '../sync/sync.js';
import { DATABASE, TRACES } from '../tokens.js';
import { traceOfMessage } from '../receipts/trace.js';
import { unreadOf } from '../receipts/unread.js';

/** Messages in a page, unless the caller says otherwise. */
const PAGE = 50;
/** Messages in one answer of changes, unless the caller says otherwise. */
const CHANGES = 100;

/** The questions that history answers. Each reads one snapshot where its answer has parts that must fit together. */
@Controller()
export class ReadsController {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(TRACES) private readonly traces: Traces,
  ) {}

  @MessagePattern<string>('conversation.list.v1')
  list(
    @Payload() { caller, input }: RequestPayload<'conversation.list.v1'>,
  ): Promise<RequestAnswer<'conversation.list.v1'>> {
    return listConversations(this.database, caller.userId, input);
  }

  @MessagePattern<string>('conversation.get.v1')
  async get(
    @Payload() { caller, input }: RequestPayload<'conversation.get.v1'>,
  ): Promise<RequestAnswer<'conversation.get.v1'>> {
    await requireVisible(this.database, input.conversationId, caller.userId);
    const [conversation] = await viewConversations(this.database, caller.userId, [input.conversationId]);
    return { conversation: conversation! };
  }

  @MessagePattern<string>('conversation.open.v1')
  open(
    @Payload() { caller, input }: RequestPayload<'conversation.open.v1'>,
  ): Promise<RequestAnswer<'conversation.open.v1'>> {
    return this.snapshot(async (sql) => {
      const { id, last_seq, unread_above, member_count } = await requireMember(
        sql,
        input.conversationId,
        caller.userId,
      );
      const [conversation] = await viewConversations(sql, caller.userId, [id]);
      const range = await openRange(sql, id, caller.userId, unread_above ?? 0, last_seq, input.limit ?? PAGE);
      const messages = await readPage(sql, caller.userId, id, range, last_seq);
      const members = await allMembers(sql, id, member_count);
      return { conversation: conversation!, messages, ...(members ? { members } : {}) };
    });
  }

  @MessagePattern<string>('conversation.history.v1')
  async history(
    @Payload() { caller, input }: RequestPayload<'conversation.history.v1'>,
  ): Promise<RequestAnswer<'conversation.history.v1'>> {
    const { id, last_seq } = await requireMember(this.database, input.conversationId, caller.userId);
    return readPage(
      this.database,
      caller.userId,
      id,
      rangeOf({ ...input, limit: input.limit ?? PAGE }, last_seq),
      last_seq,
    );
  }

  @MessagePattern<string>('conversation.members.v1')
  async members(
    @Payload() { caller, input }: RequestPayload<'conversation.members.v1'>,
  ): Promise<RequestAnswer<'conversation.members.v1'>> {
    const { id } = await requireMember(this.database, input.conversationId, caller.userId);
    return listMembers(this.database, id, input);
  }

  @MessagePattern<string>('conversation.changes.v1')
  changes(
    @Payload() { caller, input }: RequestPayload<'conversation.changes.v1'>,
  ): Promise<RequestAnswer<'conversation.changes.v1'>> {
    return this.snapshot(async (sql) => {
      const access = await requireMember(sql, input.conversationId, caller.userId);
      const changed = await changesOf(sql, caller.userId, [{ ...access, since: input.since }], input.limit ?? CHANGES);
      return { ...changed.get(access.id)!, epoch: await epochOf(sql) };
    });
  }

  @MessagePattern<string>('sync.v1')
  sync(@Payload() { caller, input }: RequestPayload<'sync.v1'>): Promise<RequestAnswer<'sync.v1'>> {
    return this.snapshot((sql) => sync(sql, caller.userId, input));
  }

  @MessagePattern<string>('unread.list.v1')
  unread(@Payload() { caller }: RequestPayload<'unread.list.v1'>): Promise<RequestAnswer<'unread.list.v1'>> {
    return unreadOf(this.database, caller.userId);
  }

  @MessagePattern<string>('message.receipts.v1')
  receipts(
    @Payload() { caller, input }: RequestPayload<'message.receipts.v1'>,
  ): Promise<RequestAnswer<'message.receipts.v1'>> {
    return receiptsOfMessage(this.database, caller.userId, input.messageId);
  }

  @MessagePattern<string>('message.trace.v1')
  trace(@Payload() { caller, input }: RequestPayload<'message.trace.v1'>): Promise<RequestAnswer<'message.trace.v1'>> {
    return traceOfMessage(this.database, this.traces, caller.userId, input.messageId);
  }

  @MessagePattern<string>('history.epoch.v1')
  async epoch(): Promise<RequestAnswer<'history.epoch.v1'>> {
    return { epoch: await epochOf(this.database) };
  }

  @MessagePattern<string>('history.sent.v1')
  async sent(
    @Payload() { conversationId, senderId, clientId }: RequestPayload<'history.sent.v1'>,
  ): Promise<RequestAnswer<'history.sent.v1'>> {
    return { sent: await isSent(this.database, conversationId, senderId, clientId) };
  }

  @MessagePattern<string>('conversation.public.v1')
  public(
    @Payload() { caller, input }: RequestPayload<'conversation.public.v1'>,
  ): Promise<RequestAnswer<'conversation.public.v1'>> {
    return listPublicConversations(this.database, caller.userId, input);
  }

  @MessagePattern<string>('message.pins.v1')
  async pins(
    @Payload() { caller, input }: RequestPayload<'message.pins.v1'>,
  ): Promise<RequestAnswer<'message.pins.v1'>> {
    const { id } = await requireMember(this.database, input.conversationId, caller.userId);
    return listPins(this.database, caller.userId, id, input);
  }

  @MessagePattern<string>('message.edits.v1')
  edits(@Payload() { caller, input }: RequestPayload<'message.edits.v1'>): Promise<RequestAnswer<'message.edits.v1'>> {
    return listEdits(this.database, caller.userId, input);
  }

  @MessagePattern<string>('drawing.get.v1')
  board(@Payload() { caller, input }: RequestPayload<'drawing.get.v1'>): Promise<RequestAnswer<'drawing.get.v1'>> {
    return this.snapshot(async (sql) => {
      const { id, rev } = await requireMember(sql, input.conversationId, caller.userId);
      return readBoard(sql, id, rev);
    });
  }

  @MessagePattern<string>('attachment.locate.v1')
  locate(
    @Payload() { userId, attachmentId }: RequestPayload<'attachment.locate.v1'>,
  ): Promise<RequestAnswer<'attachment.locate.v1'>> {
    return locateAttachment(this.database, userId, attachmentId);
  }

  private snapshot<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.transaction(work, { isolation: 'repeatable read', readOnly: true });
  }
}
