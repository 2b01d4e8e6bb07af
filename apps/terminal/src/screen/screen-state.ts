import type { ParleyClient } from '@parley/client';
import { problemText } from '../commands/commands.js';
import type { Desk } from '../commands/command-context.js';
import type { Directory } from '../text/directory.js';

export interface Page {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Shown {
  readonly selected?: string;
  /** What a command answered, instead of the messages. */
  readonly page?: Page;
  readonly notice?: string;
}

/** What the screen shows beside the client's state. */
export class Stage implements Desk {
  private shown: Shown = {};
  private readonly listeners = new Set<() => void>();
  /** Why it ended, where that was not the user's wish. */
  ending: string | undefined;
  private readonly unsubscribe: readonly (() => void)[];

  constructor(
    readonly client: ParleyClient,
    readonly directory: Directory,
    private readonly leave: () => void,
  ) {
    this.unsubscribe = [
      client.subscribe(() => this.follow()),
      client.on('error', (error) => this.say(problemText(error))),
      client.on('revoked', ({ reason }) => this.ended(reason)),
    ];
    this.follow();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly get = (): Shown => this.shown;

  close(): void {
    for (const stop of this.unsubscribe) stop();
  }

  current(): string | undefined {
    return this.shown.selected;
  }

  select(conversationId: string | undefined): void {
    const { notice } = this.shown;
    this.change({
      ...(conversationId !== undefined && { selected: conversationId }),
      ...(notice !== undefined && { notice }),
    });
    this.follow();
  }

  /** The next one of the list, or the one before; with `unread` the next that has something new. */
  step(by: 1 | -1, unread = false): void {
    const { order, conversations } = this.client.getState();
    const at = order.indexOf(this.shown.selected ?? '');
    for (let n = 1; n <= order.length; n++) {
      const id = order[((((at < 0 && by < 0 ? 0 : at) + by * n) % order.length) + order.length) % order.length]!;
      if (!unread || (conversations.get(id)?.unread ?? 0) > 0) return this.select(id);
    }
  }

  say(text: string): void {
    this.change({ ...this.shown, notice: text });
  }

  show(title: string, lines: readonly string[]): void {
    this.change({ ...this.shown, page: { title, lines: lines.length > 0 ? lines : ['nothing'] } });
  }

  /** What was said and shown has been read. */
  clear(): void {
    if (this.shown.notice === undefined && this.shown.page === undefined) return;
    const { selected } = this.shown;
    this.change(selected === undefined ? {} : { selected });
  }

  quit(): void {
    this.leave();
  }

  private ended(reason: string): void {
    if (reason === 'too_many') return this.say('too many connections: this one was closed; start again to come back');
    this.ending = `the server ended the session: ${reason}`;
    this.leave();
  }

  /** There is always one selected, if there is one; not one that is the user's no more. */
  private follow(): void {
    const { order, conversations, connection } = this.client.getState();
    const { selected } = this.shown;
    const [first] = order;
    if (selected === undefined ? first === undefined : conversations.has(selected) || connection !== 'online') return;
    // One that was just made or joined may turn up a moment later; opening it brings it.
    if (selected !== undefined && !this.seen.has(selected)) return;
    this.change(first === undefined ? {} : { selected: first });
  }

  private readonly seen = new Set<string>();

  private change(shown: Shown): void {
    this.shown = shown;
    for (const id of this.client.getState().order) this.seen.add(id);
    for (const listener of this.listeners) listener();
  }
}
