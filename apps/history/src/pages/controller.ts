import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { requireMember, requireVisible, viewConversations } from '@parley/chat';
import type { RequestAnswer, RequestPayload } from '@parley/contracts';
import { Database } from '@parley/store';
import { Settings } from '../config.js';
import { inSnapshot } from '../snapshot.js';
import { allMembers, describeRoom, listConversations, listMembers, listPublicConversations } from './conversations.js';
import { listEdits, listFiles, listPins } from './message-lists.js';
import { listNotifications } from './notifications.js';
import { isSent, openRange, rangeOf, readPage } from './messages.js';

/** Messages per page unless the caller gives a limit. */
const PAGE_SIZE = 50;

/** Lists of conversations, their members and their messages. */
@Controller()
export class PagesController {
  constructor(
    private readonly database: Database,
    private readonly settings: Settings,
  ) {}

  @MessagePattern<string>('conversation.list.v1')
  list(
    @Payload() { caller, input }: RequestPayload<'conversation.list.v1'>,
  ): Promise<RequestAnswer<'conversation.list.v1'>> {
    return listConversations(this.database, caller.userId, input);
  }

  @MessagePattern<string>('conversation.public.v1')
  public(
    @Payload() { caller, input }: RequestPayload<'conversation.public.v1'>,
  ): Promise<RequestAnswer<'conversation.public.v1'>> {
    return listPublicConversations(this.database, caller.userId, input);
  }

  @MessagePattern<string>('room.get.v1')
  async room(@Payload() { input }: RequestPayload<'room.get.v1'>): Promise<RequestAnswer<'room.get.v1'>> {
    return { room: await describeRoom(this.database, input.conversationId) };
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
    return inSnapshot(this.database, async (sql) => {
      const { id, last_seq, unread_above, member_count } = await requireMember(
        sql,
        input.conversationId,
        caller.userId,
      );
      const [conversation] = await viewConversations(sql, caller.userId, [id]);
      const range = await openRange(sql, id, caller.userId, unread_above ?? 0, last_seq, input.limit ?? PAGE_SIZE);
      const messages = await readPage(sql, caller.userId, id, range, last_seq);
      const members = await allMembers(sql, id, member_count, this.settings.receiptsToAllUpTo);
      return { conversation: conversation!, messages, ...(members ? { members } : {}) };
    });
  }

  @MessagePattern<string>('conversation.history.v1')
  async history(
    @Payload() { caller, input }: RequestPayload<'conversation.history.v1'>,
  ): Promise<RequestAnswer<'conversation.history.v1'>> {
    const { id, last_seq } = await requireMember(this.database, input.conversationId, caller.userId);
    const range = rangeOf({ ...input, limit: input.limit ?? PAGE_SIZE }, last_seq);
    const anchor = input.after === undefined ? input.around : range.from;
    return readPage(this.database, caller.userId, id, range, last_seq, anchor);
  }

  @MessagePattern<string>('conversation.members.v1')
  async members(
    @Payload() { caller, input }: RequestPayload<'conversation.members.v1'>,
  ): Promise<RequestAnswer<'conversation.members.v1'>> {
    const { id } = await requireMember(this.database, input.conversationId, caller.userId);
    return listMembers(this.database, id, input);
  }

  @MessagePattern<string>('message.pins.v1')
  async pins(
    @Payload() { caller, input }: RequestPayload<'message.pins.v1'>,
  ): Promise<RequestAnswer<'message.pins.v1'>> {
    const { id } = await requireMember(this.database, input.conversationId, caller.userId);
    return listPins(this.database, caller.userId, id, input);
  }

  @MessagePattern<string>('message.files.v1')
  async files(
    @Payload() { caller, input }: RequestPayload<'message.files.v1'>,
  ): Promise<RequestAnswer<'message.files.v1'>> {
    const { id } = await requireMember(this.database, input.conversationId, caller.userId);
    return listFiles(this.database, caller.userId, id, input);
  }

  @MessagePattern<string>('message.edits.v1')
  edits(@Payload() { caller, input }: RequestPayload<'message.edits.v1'>): Promise<RequestAnswer<'message.edits.v1'>> {
    return listEdits(this.database, caller.userId, input);
  }

  @MessagePattern<string>('notification.list.v1')
  notifications(
    @Payload() { caller, input }: RequestPayload<'notification.list.v1'>,
  ): Promise<RequestAnswer<'notification.list.v1'>> {
    return listNotifications(this.database, caller.userId, input);
  }

  @MessagePattern<string>('history.sent.v1')
  async sent(
    @Payload() { conversationId, senderId, clientId }: RequestPayload<'history.sent.v1'>,
  ): Promise<RequestAnswer<'history.sent.v1'>> {
    return { sent: await isSent(this.database, conversationId, senderId, clientId) };
  }
}
