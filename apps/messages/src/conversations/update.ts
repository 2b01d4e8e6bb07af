import { audienceOf, requirePermission, type Action } from '@parley/chat';
import type { CallInput, Message } from '@parley/contracts';
import { demandAccess, type Change } from '../commands/change.js';

type Update = CallInput<'conversation.update'>;

/** Changes the description; of the policy, the rules that are given. Setting what is set already changes nothing. The answer is completed by the history service. */
export async function updateConversation(change: Change, input: Update): Promise<{ conversation: { id: string } }> {
  const { conversation } = change;
  const answer = { conversation: { id: conversation.id } };
  const earlier = await change.earlierNote();
  if (earlier) {
    await tellDescription(change, earlier);
    return answer;
  }
  requirePermission(actionsOf(input), change);
  const title = conversation.title;
  if (describe(change, input)) {
    change.nextRev('conversation');
    await tellDescription(
      change,
      conversation.title === title ? undefined : await change.note({ kind: 'renamed', value: conversation.title! }),
    );
  } else if (change.repeat) {
    await tellDescription(change);
  }
  return answer;
}

function actionsOf({ title, topic, color, policy, visibility }: Update): Action[] {
  const described = [title, topic, color, policy].some((value) => value !== undefined);
  return [
    ...(described || visibility === undefined ? ['describe' as const] : []),
    ...(visibility === undefined ? [] : ['publish' as const]),
  ];
}

/** Writes the wishes into the conversation; whether that changed anything. An empty topic is none. */
function describe({ conversation }: Change, { title, topic, color, visibility, policy }: Update): boolean {
  const {
    title: oldTitle,
    topic: oldTopic,
    color: oldColor,
    visibility: oldVisibility,
    policy: oldPolicy,
  } = conversation;
  conversation.title = title ?? oldTitle;
  conversation.topic = topic === undefined ? oldTopic : topic || null;
  conversation.color = color ?? oldColor;
  conversation.visibility = visibility ?? oldVisibility;
  conversation.policy = { ...oldPolicy, ...policy };
  const rules = Object.keys(conversation.policy) as (keyof typeof oldPolicy)[];
  return (
    conversation.title !== oldTitle ||
    conversation.topic !== oldTopic ||
    conversation.color !== oldColor ||
    conversation.visibility !== oldVisibility ||
    rules.some((rule) => conversation.policy[rule] !== oldPolicy[rule])
  );
}

/** The description comes without the `rev` and `seq` of its system message, which follows: neither is told before what it belongs to. */
async function tellDescription(change: Change, note?: Message): Promise<void> {
  const to = await change.audience();
  const { id, conversation_rev } = change.conversation;
  const described = { ...change.describe(), rev: conversation_rev, ...(note ? { lastSeq: note.seq - 1 } : {}) };
  change.news.push({
    to,
    event: 'conversation:updated',
    payload: { conversation: described },
    id: `${id}:${conversation_rev}`,
  });
  if (note) change.news.push({ to, event: 'message:new', payload: { message: note }, id: `${id}:${note.rev}` });
  change.news.push({ publish: 'conversation.updated.v1', payload: { conversation: described } });
  if (note) change.news.push({ publish: 'message.created.v1', payload: { messages: [note] } });
}

/** Deletes it for everybody. Access is checked here: its creator is answered again when this very command deleted it. */
export async function deleteConversation(change: Change): Promise<Record<string, never>> {
  const done = change.repeat && change.conversation.deleted_at !== null && change.member.role === 'creator';
  if (!done) {
    demandAccess(change, 'member');
    requirePermission('delete', change);
  }
  await endConversation(change, 'deleted');
  return {};
}

/** Nobody sees it from now on. Its rows stay, so that the command that comes again finds who has to hear of it. */
export async function endConversation(change: Change, reason: 'deleted' | 'left'): Promise<void> {
  const { conversation, sql, now } = change;
  const to = await audienceOf(sql, conversation.id);
  if (conversation.deleted_at === null) {
    conversation.deleted_at = now;
    change.nextRev('conversation');
  }
  change.news.push(
    {
      to,
      event: 'conversation:removed',
      payload: { conversationId: conversation.id, reason },
      id: `${conversation.id}:${conversation.rev}:removed`,
    },
    { publish: 'conversation.deleted.v1', payload: { conversationId: conversation.id } },
  );
}
