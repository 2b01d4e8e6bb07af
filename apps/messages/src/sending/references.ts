import {
  attachmentColumns,
  isMemberNow,
  messageColumns,
  toAttachment,
  type AttachmentRow,
  type MessageRow,
} from '@parley/chat';
import type { Attachment } from '@parley/contracts';
import type { Row, Sql } from '@parley/store';
import { mentionsOf, type Names } from '../people/mentions.js';
import type { SendCommand } from './rules/rule.js';

/** What a message refers to. */
export interface Material {
  /** What `replyTo` names, in whatever conversation. */
  readonly target: Target | undefined;
  /** What `forwardOf` names, if the sender can see it now. */
  readonly source: MessageRow | undefined;
  /** What `attachmentIds` names, or what the source carries; undefined when not all of it can be attached. */
  readonly attachments: readonly Attachment[] | undefined;
  /** Members whom the body names; undefined when auth could not say who is named. */
  readonly mentions: readonly string[] | undefined;
}

/** What the commands refer to, in their order. One query each for replies, forwards, attachments and mentions, and none for what no command has. */
export async function materialOf(
  sql: Sql,
  commands: readonly SendCommand[],
  names: Names | undefined,
): Promise<Material[]> {
  const targets = await targetsOf(
    sql,
    commands.flatMap(({ input }) => input.replyTo ?? []),
  );
  const sources = await sourcesOf(sql, commands);
  const attachable = await attachableOf(
    sql,
    commands.flatMap((command) => wanted(command, sources.get(command))),
  );
  const mentions = await mentionsOf(
    sql,
    commands.map(({ input }) => ({ conversationId: input.conversationId, body: input.body })),
    names,
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

/** A message that another one answers. */
export interface Target extends Row {
  id: string;
  conversation_id: string;
  deleted_at: Date | null;
}
async function targetsOf(sql: Sql, ids: readonly string[]): Promise<Map<string, Target>> {
  if (ids.length === 0) return new Map();
  const rows = await sql.query<Target>(
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
async function sourcesOf(sql: Sql, commands: readonly SendCommand[]): Promise<Map<SendCommand, MessageRow>> {
  const forwards = commands.filter(({ input }) => input.forwardOf !== undefined);
  if (forwards.length === 0) return new Map();
  const rows = await sql.query<MessageRow & { n: number }>(SOURCES, [
    forwards.map(({ input }) => input.forwardOf),
    forwards.map(({ caller }) => caller.userId),
  ]);
  return new Map(rows.map(({ n, ...row }) => [forwards[n - 1]!, row as MessageRow]));
}

const wanted = ({ input }: SendCommand, source: MessageRow | undefined): readonly string[] =>
  input.attachmentIds ?? (source?.deleted_at === null ? (source.attachments ?? []).map(({ id }) => id) : []);

interface OwnedAttachment extends AttachmentRow {
  uploader_id: string;
}
// The lock keeps them from being dropped before they are linked. What all messages lost is on its way to be dropped.
const ATTACHABLE = `
  select ${attachmentColumns('a')}, a.uploader_id
  from chat.attachment a
  where a.id = any($1::uuid[]) and a.dropped_at is null and a.thumbnail_of is null
    and (a.attached_at is null or exists (select 1 from chat.message_attachment l where l.attachment_id = a.id))
  order by a.id for no key update of a`;
async function attachableOf(sql: Sql, ids: readonly string[]): Promise<Map<string, OwnedAttachment>> {
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
    const carried = source?.attachments ?? [];
    return carried.every(({ id }) => attachable.has(id)) ? carried : undefined;
  }
  const rows = [...new Set(attachmentIds)].map((id) => attachable.get(id));
  return rows.every((row) => row?.uploader_id === command.caller.userId)
    ? rows.map((row) => toAttachment(row!))
    : undefined;
}
