import type { ParleyClient } from '@parley/client';
import type { CommandPrompt } from '../commands/command-prompt.js';
import { errorText } from '../errors.js';
import type { Directory } from '../text/directory.js';

export interface Page {
  readonly title: string;
  readonly lines: readonly string[];
}

export interface ShownState {
  readonly selected?: string;
  /** The result of a command, shown instead of the messages. */
  readonly page?: Page;
  readonly notice?: string;
}

/** The state of the screen beside the client's: the selected conversation, a page, a notice. */
export class ScreenState implements CommandPrompt {
  private shown: ShownState = {};
  /** Conversations that have been in the user's list. */
  private readonly listed = new Set<string>();
  private readonly listeners = new Set<() => void>();
  /** The reason why the program ends, unless the user ended it. */
  endReason: string | undefined;
  private readonly unsubscribe: readonly (() => void)[];

  constructor(
    readonly client: ParleyClient,
    readonly directory: Directory,
    private readonly leave: () => void,
  ) {
    this.unsubscribe = [
      client.subscribe(() => this.updateSelection()),
      client.on('error', (error) => this.say(errorText(error))),
      client.on('revoked', ({ reason }) => this.revoked(reason)),
    ];
    this.updateSelection();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  readonly get = (): ShownState => this.shown;

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
    this.updateSelection();
  }

  /**
   * Selects the next conversation of the list, or the previous one; with `unread` the next one with unread messages.
   */
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

  /** Removes the notice and the page. */
  clear(): void {
    if (this.shown.notice === undefined && this.shown.page === undefined) return;
    const { selected } = this.shown;
    this.change(selected === undefined ? {} : { selected });
  }

  quit(): void {
    this.leave();
  }

  private revoked(reason: string): void {
    if (reason === 'too_many') return this.say('too many connections: this one was closed; start again to come back');
    this.endReason = `the server ended the session: ${reason}`;
    this.leave();
  }

  /** Keeps an existing conversation selected, if there is any. */
  private updateSelection(): void {
    const { order, conversations, connection } = this.client.getState();
    const { selected } = this.shown;
    const [first] = order;
    if (selected === undefined ? first === undefined : conversations.has(selected) || connection !== 'online') return;
    // A conversation that was just created or joined may appear in the list a moment later; opening it adds it.
    if (selected !== undefined && !this.listed.has(selected)) return;
    this.change(first === undefined ? {} : { selected: first });
  }

  private change(shown: ShownState): void {
    this.shown = shown;
    for (const id of this.client.getState().order) this.listed.add(id);
    for (const listener of this.listeners) listener();
  }
}
