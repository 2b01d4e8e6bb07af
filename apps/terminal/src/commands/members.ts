import type { Conversation, Member, User } from '@parley/client';
import { UsageError } from '../errors.js';
import { nameOf } from '../text/directory.js';
import { inline } from '../text/printable.js';
import { currentConversation, parseDuration, required } from './arguments.js';
import type { CommandHandler, CommandPrompt } from './command-prompt.js';

const PAGE_SIZE = 100;

const pathOf = (prompt: CommandPrompt): `/${string}` => `/conversations/${currentConversation(prompt).conversation.id}`;
const change = (prompt: CommandPrompt, user: User, body: object): Promise<unknown> =>
  prompt.client.request('PATCH', `${pathOf(prompt)}/members/${user.id}`, { body });

export async function listMembers(prompt: CommandPrompt): Promise<void> {
  const { conversation } = currentConversation(prompt);
  const { items } = await prompt.client.request<{ items: Member[] }>('GET', `${pathOf(prompt)}/members`, {
    query: { limit: PAGE_SIZE },
  });
  await Promise.all(items.map(({ userId }) => prompt.directory.loadName(userId)));
  const { presence } = await prompt.client.call('presence:watch', { userIds: items.map(({ userId }) => userId) });
  const states = new Map(presence.map(({ userId, state }) => [userId, state]));
  const more = conversation.memberCount - items.length;
  prompt.show(`Members of ${prompt.directory.title(conversation)}`, [
    ...items.map((member) => `${describe(prompt, member)}  ${states.get(member.userId) ?? ''}`.trimEnd()),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]);
}

const describe = (prompt: CommandPrompt, { userId, role, status, mutedUntil, bannedUntil }: Member): string => {
  const until = mutedUntil ?? bannedUntil;
  const state = status === 'active' ? '' : `, ${status}${until === undefined ? '' : ` until ${until.slice(0, 16)}Z`}`;
  return `${prompt.directory.name(userId)}  ${role}${state}`;
};

export async function addMember(prompt: CommandPrompt, text: string): Promise<void> {
  const user = await prompt.directory.user(required(text, 'a username'));
  await prompt.client.request('PUT', `${pathOf(prompt)}/members/${user.id}`, { body: {} });
  prompt.say(`${nameOf(user)} is in`);
}

export async function removeMember(prompt: CommandPrompt, text: string): Promise<void> {
  const user = await prompt.directory.user(required(text, 'a username'));
  await prompt.client.request('DELETE', `${pathOf(prompt)}/members/${user.id}`);
  prompt.say(`${nameOf(user)} is out`);
}

/** `USERNAME admin`, `USERNAME member`, or `USERNAME creator`, which hands the conversation over. */
export async function changeRole(prompt: CommandPrompt, text: string): Promise<void> {
  const [, name, role] = /^(\S+)\s+(creator|admin|member)$/.exec(text) ?? [];
  if (name === undefined) throw new UsageError('/role USERNAME admin, member or creator');
  const user = await prompt.directory.user(name);
  await change(prompt, user, { role });
  prompt.say(`${nameOf(user)} is ${role} now`);
}

/** Mutes or bans a member: for good, or for a time such as `30m`, `2h` or `7d`. */
export const restrict =
  (status: 'muted' | 'banned'): CommandHandler =>
  async (prompt, text) => {
    const [name = '', time] = required(text, 'a username').split(/\s+/);
    const until = time === undefined ? undefined : new Date(Date.now() + parseDuration(time)).toISOString();
    const user = await prompt.directory.user(name);
    await change(prompt, user, { status, ...(until !== undefined && { [`${status}Until`]: until }) });
    prompt.say(`${nameOf(user)} is ${status}${until === undefined ? '' : ` until ${until.slice(0, 16)}Z`}`);
  };

/** Ends a mute or a ban. */
export async function unrestrict(prompt: CommandPrompt, text: string): Promise<void> {
  const user = await prompt.directory.user(required(text, 'a username'));
  await change(prompt, user, { status: 'active' });
  prompt.say(`${nameOf(user)} is neither muted nor banned`);
}

export const describeConversation =
  (field: 'title' | 'topic'): CommandHandler =>
  async (prompt, text) => {
    const value = field === 'title' ? required(text, 'a title') : text;
    const changed = await prompt.client.request<Conversation>('PATCH', pathOf(prompt), { body: { [field]: value } });
    prompt.say(`the ${field} is ${inline(changed[field] ?? '') || 'gone'}`);
  };
