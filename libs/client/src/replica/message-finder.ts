import type { Message } from '#contracts';
import type { MessagePage } from '../conversation/message-window.js';

const MAX_REMEMBERED = 500;
/** Enough to halve a conversation of billions of messages until one page is left. */
const MAX_PAGES = 32;

type LoadPage = (where: { readonly before: number } | { readonly around: number }) => Promise<MessagePage>;

/**
 * Finds earlier messages by id, which no call does. Ids begin with the time at which the server received the message,
 * and `seq` goes with the time, but for messages that arrived nearly at once: so it halves the conversation.
 */
export class MessageFinder {
  private readonly found = new Map<string, Promise<Message | undefined>>();
  private turn: Promise<unknown> = Promise.resolve();

  /**
   * Resolves with the message with this id, which is before the message number `before`; undefined if there is none.
   * One search runs at a time.
   */
  find(id: string, before: number, load: LoadPage): Promise<Message | undefined> {
    const remembered = this.found.get(id);
    if (remembered) return remembered;
    const search = this.turn.then(() => searchFor(id, before, load));
    this.turn = search.catch(() => {
      if (this.found.get(id) === search) this.found.delete(id);
    });
    this.found.set(id, search);
    if (this.found.size > MAX_REMEMBERED) this.found.delete(this.found.keys().next().value!);
    return search;
  }

  /** The message has changed. */
  forget(id: string): void {
    this.found.delete(id);
  }

  /** Messages may have changed. */
  clear(): void {
    this.found.clear();
  }
}

async function searchFor(id: string, before: number, load: LoadPage): Promise<Message | undefined> {
  const time = timeOf(id);
  const withId = ({ items }: MessagePage) => items.find((message) => message.id === id);
  // Most answers are to something recent.
  let page = await load({ before });
  let [low, high] = [1, before - 1];
  for (let pages = 1; pages < MAX_PAGES; pages++) {
    const [first, last] = [page.items[0], page.items.at(-1)];
    const message = withId(page);
    if (message || !first || !last) return message;
    if (time < timeOf(first.id)) high = first.seq - 1;
    else if (time > timeOf(last.id)) low = last.seq + 1;
    else high = low - 1;
    if (low > high) {
      // It arrived nearly at once with others, which pushed it onto a page beside this one.
      const beside = [first.seq - 1, last.seq + 1].filter((seq) => seq >= 1 && seq < before);
      for (const seq of beside) {
        const neighbour = withId(await load({ around: seq }));
        if (neighbour) return neighbour;
      }
      return undefined;
    }
    page = await load({ around: Math.floor((low + high) / 2) });
  }
  return undefined;
}

/** The first 48 bits of a UUIDv7. As text, because it only has to be compared. */
const timeOf = (id: string): string => id.slice(0, 13);
