import { attachmentColumns, isMemberNow, toAttachment, type AttachmentRow } from '@parley/chat';
import { ChatError, type RequestAnswer } from '@parley/contracts';
import type { Sql } from '@parley/store';

// A preview is visible to everybody who sees its attachment.
const LOCATE = `
  select ${attachmentColumns('x')} from chat.attachment x
  join chat.attachment a on a.id = coalesce(x.thumbnail_of, x.id)
  where x.id = $1 and x.dropped_at is null and a.dropped_at is null and (
    a.public or a.attached_at is null and a.uploader_id = $2 or exists (
      select 1 from chat.message_attachment l
      join chat.conversation c on c.id = l.conversation_id and c.deleted_at is null
      join chat.member m on m.conversation_id = c.id and m.user_id = $2 and ${isMemberNow('m')}
      join chat.message o on o.id = l.message_id and o.conversation_id = l.conversation_id and o.deleted_at is null
      where l.attachment_id = a.id))`;

/**
 * An attachment and the key of its bytes. Profile pictures are visible to all; unsent attachments to their uploader;
 * sent ones to present members of a conversation in which a message carries them. Refused to others with `not_found`.
 */
export async function locateAttachment(
  sql: Sql,
  userId: string,
  attachmentId: string,
): Promise<RequestAnswer<'attachment.locate.v1'>> {
  const [row] = await sql.query<AttachmentRow>(LOCATE, [attachmentId, userId]);
  if (!row) throw new ChatError('not_found', 'No such attachment');
  return { attachment: toAttachment(row), key: row.key };
}
