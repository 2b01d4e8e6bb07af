import type { Conversation, ParleyClient, User } from '@parley/client';
import { UsageError } from '../options.js';
import { inline } from './printable.js';

/** Pages of one's own conversations among which a title is looked for. */
const MOST_PAGES = 20;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Page<T> = { readonly items: readonly T[]; readonly nextCursor?: string };

/** What people and conversations are called, and who is meant by a name. All names that it answers are fit for the terminal. */
export class Directory {
  constructor(private readonly client: ParleyClient) {}

  /** What somebody is called; unknown at first, of whom nothing was heard yet. */
  name(userId: string): string {
    const user = this.client.getState().users.get(userId);
    return user ? nameOf(user) : '…';
  }

  title(conversation: Conversation): string {
    if (conversation.kind !== 'direct')
      return inline(conversation.title ?? '') || `${conversation.kind} without a title`;
    const partner = this.partner(conversation);
    return partner === undefined ? '…' : this.name(partner);
  }

  /** The other one of a direct conversation. */
  partner({ memberIds = [] }: Conversation): string | undefined {
    const own = this.client.getState().user?.id;
    return memberIds.find((userId) => userId !== own);
  }

  /** Resolves when it is known what somebody is called. */
  async learnName(userId: string): Promise<void> {
    await this.client.user(userId);
  }

  /** Resolves when it is known what a conversation is called. */
  async learnTitle(conversation: Conversation): Promise<void> {
    const partner = this.partner(conversation);
    if (partner !== undefined) await this.learnName(partner);
  }

  /** One of the user's own conversations by its id, its title or a part of it; with `@username` the direct one, which is made when there is none. */
  async conversation(text: string): Promise<Conversation> {
    if (text.startsWith('@'))
      return this.client.createConversation({ kind: 'direct', memberIds: [(await this.user(text)).id] });
    if (idPattern.test(text)) return this.client.request<Conversation>('GET', `/conversations/${text.toLowerCase()}`);
    return onlyOne(text, await this.own(), ({ title = '' }) => title, 'conversation');
  }

  /** A public conversation by its id, or by its title or a part of it. */
  async publicConversation(text: string): Promise<Conversation> {
    if (idPattern.test(text)) return this.client.request<Conversation>('GET', `/conversations/${text.toLowerCase()}`);
    const { items } = await this.client.request<Page<Conversation>>('GET', '/conversations/public', {
      query: { query: text, limit: 100 },
    });
    return onlyOne(text, items, ({ title = '' }) => title, 'public conversation');
  }

  /** Somebody by their username, with or without `@`, or by what they are called. */
  async user(text: string): Promise<User> {
    const query = text.replace(/^@/, '');
    if (idPattern.test(query)) return this.client.request<User>('GET', `/users/${query.toLowerCase()}`);
    const { items } = await this.client.request<Page<User>>('GET', '/users', { query: { query, limit: 100 } });
    const exact = items.find(({ username }) => username === query.toLowerCase());
    return exact ?? onlyOne(query, items, ({ displayName }) => displayName, 'person');
  }

  /** The user's conversations, most recently active first, as the server knows them now. */
  async own(): Promise<Conversation[]> {
    const found: Conversation[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const page: Page<Conversation> = await this.client.request('GET', '/conversations', {
        query: { cursor, limit: 100 },
      });
      found.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    return found;
  }
}

export const nameOf = ({ displayName, username }: User): string => inline(displayName) || inline(username);

function onlyOne<T extends { id: string }>(
  text: string,
  items: readonly T[],
  nameOfOne: (item: T) => string,
  what: string,
): T {
  const wanted = text.toLowerCase();
  const exact = items.filter((item) => nameOfOne(item).toLowerCase() === wanted);
  const found = exact.length > 0 ? exact : items.filter((item) => nameOfOne(item).toLowerCase().includes(wanted));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new UsageError(`there is no ${what} ${inline(text)}`);
  throw new UsageError(
    `${found.length} are called like ${inline(text)}: ${found
      .slice(0, 5)
      .map((item) => `${inline(nameOfOne(item))} (${item.id})`)
      .join(', ')}`,
  );
}
