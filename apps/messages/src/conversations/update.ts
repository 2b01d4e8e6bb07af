import { audienceOf, requirePermission, type Action } from '@parley/chat';
import type { CallInput, CallOutput, Message } from '@parley/contracts';
import { requireAccess, type ConversationChange } from '../commands/change.js';
import { messageNew } from '../commands/runner.js';

type Update = CallInput<'conversation.update'>;

/** Changes the description; of the policy, only the given rules. Values that are already set change nothing. */
export async function updateConversation(
  change: ConversationChange,
  input: Update,
): Promise<CallOutput<'conversation.update'>> {
  const { conversation } = change;
  const earlier = await change.earlierSystemMessage();
  if (earlier) {
    await publishDescription(change, earlier);
    return { conversation: await change.view() };
  }
  requirePermission(actionsOf(input), change);
  const title = conversation.title;
  if (applyUpdate(change, input)) {
    change.nextRev('conversation');
    const renamed = conversation.title !== title;
    await publishDescription(
      change,
      renamed
        ? await change.note({ kind: 'renamed', ...(conversation.title !== null && { value: conversation.title }) })
        : undefined,
    );
  } else if (change.repeat) {
    await publishDescription(change);
  }
  return { conversation: await change.view() };
}

function actionsOf({ title, topic, color, policy, visibility }: Update): Action[] {
  const describes = [title, topic, color, policy].some((value) => value !== undefined);
  return [
    ...(describes || visibility === undefined ? ['describe' as const] : []),
    ...(visibility === undefined ? [] : ['changeVisibility' as const]),
  ];
}

/**
 * Sets the given values on the conversation. True when one of them differed. Null or an empty text takes a title, topic
 * or colour away.
 */
function applyUpdate(
  { conversation }: ConversationChange,
  { title, topic, color, visibility, policy }: Update,
): boolean {
  const before = { ...conversation };
  conversation.title = title === undefined ? before.title : title || null;
  conversation.topic = topic === undefined ? before.topic : topic || null;
  conversation.color = color === undefined ? before.color : color || null;
  conversation.visibility = visibility ?? before.visibility;
  conversation.policy = { ...before.policy, ...policy };
  const rules = Object.keys(conversation.policy) as (keyof typeof before.policy)[];
  return (
    conversation.title !== before.title ||
    conversation.topic !== before.topic ||
    conversation.color !== before.color ||
    conversation.visibility !== before.visibility ||
    rules.some((rule) => conversation.policy[rule] !== before.policy[rule])
  );
}

/** The description has the `rev` and `lastSeq` from before its system message, which follows as an event of its own. */
async function publishDescription(change: ConversationChange, note?: Message): Promise<void> {
  const to = await change.audience();
  const { id, conversation_rev } = change.conversation;
  const conversation = { ...change.describe(), rev: conversation_rev, ...(note ? { lastSeq: note.seq - 1 } : {}) };
  change.events.push({ to, event: 'conversation:updated', payload: { conversation }, id: `${id}:${conversation_rev}` });
  if (note) change.events.push(messageNew(to, note));
  change.events.push({ publish: 'conversation.updated.v1', payload: { conversation } });
  if (note) change.events.push({ publish: 'message.created.v1', payload: { messages: [note] } });
}

/**
 * Deletes the conversation for everybody. Checks access itself: the creator gets the same answer again after this very
 * command has deleted it.
 */
export async function deleteConversation(change: ConversationChange): Promise<Record<string, never>> {
  const isDone = change.repeat && change.conversation.deleted_at !== null && change.member.role === 'creator';
  if (!isDone) {
    requireAccess(change, 'member');
    requirePermission('delete', change);
  }
  await endConversation(change, 'deleted');
  return {};
}

/** Hides the conversation from everybody. Its rows stay, so that a redelivered command still finds the audience. */
export async function endConversation(change: ConversationChange, reason: 'deleted' | 'left'): Promise<void> {
  const { conversation, sql, now } = change;
  const to = await audienceOf(sql, conversation.id);
  if (conversation.deleted_at === null) {
    conversation.deleted_at = now;
    change.nextRev('conversation');
  }
  change.events.push(
    {
      to,
      event: 'conversation:removed',
      payload: { conversationId: conversation.id, reason },
      id: `${conversation.id}:${conversation.rev}:removed`,
    },
    { publish: 'conversation.deleted.v1', payload: { conversationId: conversation.id } },
  );
}
