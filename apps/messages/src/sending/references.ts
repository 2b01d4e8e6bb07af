import {
  attachmentColumns,
  isMemberNow,
  messageColumns,
  toAttachment,
  type AttachmentRow,
  type MessageRow,
} from '@parley/chat';
import type { Attachment } from '@parley/contracts';
import type { Sql } from '@parley/store';
import { mentionsOf, type UsersByName } from '../people/mentions.js';
import type { References, ReplyTarget, SendCommand } from './context.js';

/**
 * The references of each command, in their order. One query each for replies, forwards, attachments and mentions; none
 * for kinds of references that no command has.
 */
export async function referencesOf(
  sql: Sql,
  commands: readonly SendCommand[],
  users: UsersByName | undefined,
): Promise<References[]> {
  const targets = await findTargets(
    sql,
    commands.flatMap(({ input }) => input.replyTo ?? []),
  );
  const sources = await findSources(sql, commands);
  const attachable = await lockAttachable(
    sql,
    commands.flatMap((command) => attachmentIdsOf(command, sources.get(command))),
  );
  const mentions = await mentionsOf(
    sql,
    commands.map(({ input }) => ({ conversationId: input.conversationId, body: input.body })),
    users,
  );
  return commands.map((command, at) => {
    const { replyTo } = command.input;
    const source = sources.get(command);
    return {
      target: replyTo === undefined ? undefined : targets.get(replyTo),
      source,
      attachments: attachmentsOf(command, source, attachable),
      mentions: mentions[at],
    };
  });
}

async function findTargets(sql: Sql, ids: readonly string[]): Promise<Map<string, ReplyTarget>> {
  if (ids.length === 0) return new Map();
  const rows = await sql.query<ReplyTarget>(
    `select id, conversation_id, deleted_at from chat.message where id = any($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

const SOURCES = `
  select q.n, ${messageColumns('s')}
  from unnest($1::uuid[], $2::uuid[]) with ordinality as q(message_id, sender_id, n)
  join chat.message s on s.id = q.message_id
  join chat.conversation c on c.id = s.conversation_id and c.deleted_at is null
  join chat.member m on m.conversation_id = s.conversation_id and m.user_id = q.sender_id
  where ${isMemberNow('m')}`;
async function findSources(sql: Sql, commands: readonly SendCommand[]): Promise<Map<SendCommand, MessageRow>> {
  const forwards = commands.filter(({ input }) => input.forwardOf !== undefined);
  if (forwards.length === 0) return new Map();
  const rows = await sql.query<MessageRow & { n: number }>(SOURCES, [
    forwards.map(({ input }) => input.forwardOf),
    forwards.map(({ caller }) => caller.userId),
  ]);
  return new Map(rows.map(({ n, ...row }) => [forwards[n - 1]!, row as MessageRow]));
}

const attachmentIdsOf = ({ input }: SendCommand, source: MessageRow | undefined): readonly string[] =>
  input.attachmentIds ?? (source?.deleted_at === null ? (source.attachments ?? []).map(({ id }) => id) : []);

interface OwnedAttachment extends AttachmentRow {
  uploader_id: string;
}
// The lock keeps the sweep from dropping them before they are linked. An attachment that was sent, and whose messages
// are all deleted, is about to be dropped.
const ATTACHABLE = `
  select ${attachmentColumns('a')}, a.uploader_id
  from chat.attachment a
  where a.id = any($1::uuid[]) and a.dropped_at is null and a.thumbnail_of is null
    and (a.attached_at is null or exists (select 1 from chat.message_attachment l where l.attachment_id = a.id))
  order by a.id for no key update of a`;
async function lockAttachable(sql: Sql, ids: readonly string[]): Promise<Map<string, OwnedAttachment>> {
  if (ids.length === 0) return new Map();
  return new Map((await sql.query<OwnedAttachment>(ATTACHABLE, [ids])).map((row) => [row.id, row]));
}

function attachmentsOf(
  command: SendCommand,
  source: MessageRow | undefined,
  attachable: ReadonlyMap<string, OwnedAttachment>,
): readonly Attachment[] | undefined {
  const { attachmentIds } = command.input;
  if (attachmentIds === undefined) {
    const forwarded = source?.attachments ?? [];
    return forwarded.every(({ id }) => attachable.has(id)) ? forwarded : undefined;
  }
  const rows = [...new Set(attachmentIds)].map((id) => attachable.get(id));
  return rows.every((row) => row?.uploader_id === command.caller.userId)
    ? rows.map((row) => toAttachment(row!))
    : undefined;
}
