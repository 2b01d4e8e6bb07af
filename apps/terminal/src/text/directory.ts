import type { Conversation, ParleyClient, User } from '@parley/client';
import { foldName } from '@parley/contracts';
import { UsageError } from '../errors.js';
import { inline } from './printable.js';

/** Maximum number of pages of the user's conversations that are searched for a title. */
const MAX_PAGES = 20;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Page<T> = { readonly items: readonly T[]; readonly nextCursor?: string };

/** Resolves ids to names, and names to people and conversations. All returned names are fit for the terminal. */
export class Directory {
  constructor(private readonly client: ParleyClient) {}

  /** The name of a person; `…` until they are loaded. */
  name(userId: string): string {
    const user = this.client.getState().users.get(userId);
    return user ? nameOf(user) : '…';
  }

  /** The username of a person; undefined until they are loaded. */
  username(userId: string): string | undefined {
    return this.client.getState().users.get(userId)?.username;
  }

  title(conversation: Conversation): string {
    if (conversation.kind !== 'direct')
      return inline(conversation.title ?? '') || `${conversation.kind} without a title`;
    const partner = this.partner(conversation);
    return partner === undefined ? '…' : this.name(partner);
  }

  /** The id of the other member of a direct conversation. */
  partner({ memberIds = [] }: Conversation): string | undefined {
    const own = this.client.getState().user?.id;
    return memberIds.find((userId) => userId !== own);
  }

  /** Loads a person, so that {@link name} knows them. */
  async loadName(userId: string): Promise<void> {
    await this.client.user(userId);
  }

  /** Loads what {@link title} needs. */
  async loadTitle(conversation: Conversation): Promise<void> {
    const partner = this.partner(conversation);
    if (partner !== undefined) await this.loadName(partner);
  }

  /**
   * One of the user's conversations, by its id, by its title or a part of it. `@username` is the direct conversation,
   * which is created if there is none.
   */
  async conversation(text: string): Promise<Conversation> {
    if (text.startsWith('@'))
      return this.client.createConversation({ kind: 'direct', memberIds: [(await this.user(text)).id] });
    if (idPattern.test(text)) return this.client.request<Conversation>('GET', `/conversations/${text.toLowerCase()}`);
    return onlyOne(text, await this.ownConversations(), ({ title = '' }) => title, 'conversation');
  }

  /** A public conversation, by its id, or by its title or a part of it. */
  async publicConversation(text: string): Promise<Conversation> {
    if (idPattern.test(text)) return this.client.request<Conversation>('GET', `/conversations/${text.toLowerCase()}`);
    const { items } = await this.client.request<Page<Conversation>>('GET', '/conversations/public', {
      query: { query: text, limit: 100 },
    });
    return onlyOne(text, items, ({ title = '' }) => title, 'public conversation');
  }

  /** A person, by username with or without `@`, or by display name. */
  async user(text: string): Promise<User> {
    const query = text.replace(/^@/, '');
    if (idPattern.test(query)) return this.client.request<User>('GET', `/users/${query.toLowerCase()}`);
    const { items } = await this.client.request<Page<User>>('GET', '/users', { query: { query, limit: 100 } });
    const exact = items.find(({ username }) => username === query.toLowerCase());
    return exact ?? onlyOne(query, items, ({ displayName }) => displayName, 'person');
  }

  /** The user's conversations from the server, most recently active first. */
  async ownConversations(): Promise<Conversation[]> {
    const found: Conversation[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
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
  nameOfItem: (item: T) => string,
  what: string,
): T {
  const searched = foldName(text);
  const exact = items.filter((item) => foldName(nameOfItem(item)) === searched);
  const found = exact.length > 0 ? exact : items.filter((item) => foldName(nameOfItem(item)).includes(searched));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new UsageError(`there is no ${what} ${inline(text)}`);
  throw new UsageError(
    `${found.length} match ${inline(text)}: ${found
      .slice(0, 5)
      .map((item) => `${inline(nameOfItem(item))} (${item.id})`)
      .join(', ')}`,
  );
}
