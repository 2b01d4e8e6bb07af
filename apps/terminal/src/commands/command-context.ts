import type { ParleyClient } from '@parley/client';
import type { Directory } from '../text/directory.js';

/** Where commands are given: a full screen, or lines. What is told and shown need not be fit for the terminal yet. */
export interface Desk {
  readonly client: ParleyClient;
  readonly directory: Directory;
  /** The conversation that commands are about. */
  current(): string | undefined;
  select(conversationId: string | undefined): void;
  /** One line that says how it went. */
  say(text: string): void;
  /** An answer of several lines. */
  show(title: string, lines: readonly string[]): void;
  quit(): void;
}
