import type { User } from '@parley/client';
import { nameOf } from '../text/directory.js';
import { inline } from '../text/printable.js';
import { required } from './arguments.js';
import type { CommandHandler, CommandPrompt } from './command-prompt.js';

const PAGE_SIZE = 100;

const describe = (user: User): string => `${nameOf(user)}  @${inline(user.username)}  ${user.kind}`;

export async function searchPeople(prompt: CommandPrompt, text: string): Promise<void> {
  const { items } = await prompt.client.request<{ items: User[] }>('GET', '/users', {
    query: { query: required(text, 'a name'), limit: PAGE_SIZE },
  });
  prompt.show('People', items.map(describe));
}

/** A list of people that belongs to the user alone. */
type OwnList = 'contacts' | 'blocks';

export const listOwn =
  (list: OwnList, title: string): CommandHandler =>
  async (prompt) => {
    const { items, nextCursor } = await prompt.client.request<{ items: { user: User }[]; nextCursor?: string }>(
      'GET',
      `/${list}`,
      { query: { limit: PAGE_SIZE } },
    );
    prompt.show(title, [...items.map(({ user }) => describe(user)), ...(nextCursor === undefined ? [] : ['and more'])]);
  };

/** Puts a person on a list, or takes them off it. */
export const changeOwn =
  (list: OwnList, method: 'PUT' | 'DELETE', outcome: string): CommandHandler =>
  async (prompt, text) => {
    const user = await prompt.directory.user(required(text, 'a username'));
    await prompt.client.request(method, `/${list}/${user.id}`);
    prompt.say(`${nameOf(user)} ${outcome}`);
  };
