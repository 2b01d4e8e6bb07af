import type { ParleyClient } from '@parley/client';
import type { Directory } from '../text/directory.js';

/** The place where commands are typed: the full screen, or lines. It makes texts fit for the terminal. */
export interface CommandPrompt {
  readonly client: ParleyClient;
  readonly directory: Directory;
  /** The id of the conversation that commands apply to. */
  current(): string | undefined;
  select(conversationId: string | undefined): void;
  /** Shows one line about the outcome of a command. */
  say(text: string): void;
  /** Shows a result of several lines. */
  show(title: string, lines: readonly string[]): void;
  quit(): void;
}

/** A command runs with the text after its name, without the space around it. Its errors are shown. */
export type CommandHandler = (prompt: CommandPrompt, text: string) => Promise<void> | void;
