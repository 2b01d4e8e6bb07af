import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { StartError } from '@parley/service-kit';
import type { Sql } from '@parley/store';
import { required, type Command } from '../command.js';
import { openDeployment, withDeployment } from './deployment.js';
import { BATCH_SIZE, snapshot } from './tables.js';

/**
 * A conversation as lines of JSON: the conversation with its members, then every message in order, in its current
 * state, with its edits and reactions. Deleted messages have no body.
 */
export async function* exportConversation(sql: Sql, id: string): AsyncGenerator<string> {
  const [conversation] = await sql.query<{ line: string }>(
    `select json_build_object('kind', 'conversation', 'id', c.id, 'type', c.kind, 'title', c.title, 'topic', c.topic, 'createdAt', c.created_at, 'lastSeq', c.last_seq,
       'members', (select coalesce(json_agg(json_build_object('userId', m.user_id, 'username', u.username, 'displayName', u.display_name, 'role', m.role, 'joinedAt', m.joined_at, 'leftAt', m.left_at) order by m.joined_at, m.user_id), '[]')
                     from chat.member m left join auth."user" u on u.id = m.user_id where m.conversation_id = c.id))::text as line
       from chat.conversation c where c.id::text = lower($1)`,
    [id],
  );
  if (!conversation) throw new StartError(`there is no conversation ${id}`);
  yield conversation.line;
  for (let after = 0; ;) {
    const rows = await sql.query<{ seq: number; line: string }>(
      `select m.seq, json_build_object('kind', 'message', 'seq', m.seq, 'id', m.id, 'type', m.type, 'senderId', m.sender_id, 'sender', u.username, 'createdAt', m.created_at, 'editedAt', m.edited_at, 'deletedAt', m.deleted_at,
         'body', case when m.deleted_at is null then m.body end, 'replyTo', m.reply_to, 'attachments', m.attachments, 'system', m.system,
         'edits', (select coalesce(json_agg(json_build_object('body', e.body, 'rev', e.rev) order by e.rev), '[]') from chat.message_edit e where e.conversation_id = m.conversation_id and e.message_id = m.id and m.deleted_at is null),
         'reactions', (select coalesce(json_agg(json_build_object('emoji', r.emoji, 'userId', r.user_id)), '[]') from chat.reaction r where r.conversation_id = m.conversation_id and r.message_id = m.id))::text as line
         from chat.message m left join auth."user" u on u.id = m.sender_id where m.conversation_id::text = lower($1) and m.seq > $2 order by m.seq limit ${BATCH_SIZE}`,
      [id, after],
    );
    for (const { line } of rows) yield line;
    if (rows.length < BATCH_SIZE) return;
    after = rows.at(-1)!.seq;
  }
}

export const exportCommand: Command = {
  usage: 'export conversation --id ID [--to FILE] [--data-dir DIR]',
  does: 'writes a conversation as lines of JSON: the conversation with its members, then its messages in order',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: { id: { type: 'string' }, to: { type: 'string' }, 'data-dir': { type: 'string' } },
    });
    const { to } = values;
    const id = required('id', values.id);
    return withDeployment(openDeployment(values['data-dir'], { by: 'copy' }), ({ database }) =>
      snapshot(database, async (sql) => {
        const file = to === undefined ? undefined : createWriteStream(to, { flags: 'wx', mode: 0o600 });
        if (file) await once(file, 'open');
        for await (const line of exportConversation(sql, id)) {
          if (!file) print(line);
          else if (!file.write(`${line}\n`)) await once(file, 'drain');
        }
        if (file) await new Promise<void>((resolve, reject) => file.once('error', reject).end(resolve));
        return 0;
      }),
    );
  },
};
