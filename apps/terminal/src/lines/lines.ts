import type { Readable, Writable } from 'node:stream';
import { ParleyError, type Conversation, type Message, type ParleyClient } from '@parley/client';
import type { CommandPrompt } from '../commands/command-prompt.js';
import { draftOf, isCommand, runCommand } from '../commands/commands.js';
import { errorText, UsageError } from '../errors.js';
import type { Options } from '../options.js';
import type { Directory } from '../text/directory.js';
import { Follower } from './follower.js';
import { dayOf, textOf, timeOf } from '../text/message-text.js';
import { inline, jsonLine } from '../text/printable.js';

/** Maximum number of messages that are not stored yet; beyond it no line is read. */
const MAX_PENDING = 100;
/** After this time a command runs even if the messages of its conversation could not be loaded. */
const OPEN_TIMEOUT_MS = 12_000;
/** No message is longer; a file without newlines must not fill the memory. */
const MAX_LINE_CHARACTERS = 64 * 1024;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface Streams {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  readonly problems: Writable;
  /** Aborts when the program should end. */
  readonly signal: AbortSignal;
}

type LineOptions = Pick<Options, 'to' | 'follow' | 'history' | 'json' | 'commands' | 'timeoutMs'>;

/**
 * Reads lines and prints lines. Resolves with the exit code: 0 if everything that was read is stored and every command
 * succeeded.
 */
export async function runLines(
  client: ParleyClient,
  directory: Directory,
  options: LineOptions,
  streams: Streams,
): Promise<number> {
  return new Lines(client, directory, options, streams).run();
}

class Lines implements CommandPrompt {
  private currentId: string | undefined;
  private exitCode = 0;
  private linesRead = 0;
  private readonly pending = new Set<Promise<void>>();
  private readonly leaving = new AbortController();

  constructor(
    readonly client: ParleyClient,
    readonly directory: Directory,
    private readonly options: LineOptions,
    private readonly streams: Streams,
  ) {}

  async run(): Promise<number> {
    const { input, signal } = this.streams;
    const isInteractive = input.isTTY === true;
    const follow = this.options.follow || isInteractive;
    if (this.options.to === undefined && !follow && !this.options.commands)
      throw new UsageError('name a conversation with --to, or use --follow or --commands');
    const leave = () => this.leaving.abort();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    const stopWatching = this.client.on('revoked', ({ reason }) =>
      this.fail(`the server ended the session: ${reason}`, leave),
    );
    // Reading must end when the program should.
    this.leaving.signal.addEventListener('abort', () => input.destroy(), { once: true });
    try {
      const target = await this.openTarget();
      const follower = follow ? await this.follow(target) : undefined;
      await this.readAll(isInteractive || this.options.commands);
      await this.settleAll();
      if (follower && !isInteractive && !this.leaving.signal.aborted)
        await new Promise((resolve) => this.leaving.signal.addEventListener('abort', resolve, { once: true }));
      follower?.stop();
      return this.exitCode;
    } finally {
      stopWatching();
      signal.removeEventListener('abort', leave);
    }
  }

  // ── command prompt ─────────────────────────────────────────────────────────────────────────────────────────

  current(): string | undefined {
    return this.currentId;
  }

  select(conversationId: string | undefined): void {
    this.currentId = conversationId;
  }

  say(text: string): void {
    this.streams.problems.write(`${inline(text)}\n`);
  }

  show(_title: string, lines: readonly string[]): void {
    for (const line of lines) this.streams.output.write(`${inline(line)}\n`);
  }

  quit(): void {
    this.leaving.abort();
  }

  // ── input ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Finds the conversation of `--to`. An id needs no request without `--follow`, so that lines are kept also when the
   * server cannot be reached.
   */
  private async openTarget(): Promise<Conversation | undefined> {
    const { to, follow } = this.options;
    if (to === undefined) return undefined;
    if (idPattern.test(to) && !follow) {
      this.currentId = to.toLowerCase();
      return undefined;
    }
    const conversation = await this.directory.conversation(to);
    this.currentId = conversation.id;
    return conversation;
  }

  private async readAll(withCommands: boolean): Promise<void> {
    try {
      for await (const line of linesOf(this.streams.input)) {
        this.linesRead++;
        if (line.trim() === '') continue;
        if (withCommands && isCommand(line)) await this.command(line);
        else await this.send(line, withCommands);
        if (this.leaving.signal.aborted) return;
      }
    } catch (error) {
      if (!this.leaving.signal.aborted) throw error;
    }
  }

  private async command(line: string): Promise<void> {
    // A command may refer to the lines before it.
    await this.settleAll();
    if (this.currentId !== undefined) await this.openInTime(this.currentId);
    if (!(await runCommand(this, line))) this.exitCode = 1;
    await this.client.flush();
  }

  /** Opens the conversation, for the command may be about its messages. A busy server is asked again for a while. */
  private async openInTime(id: string): Promise<void> {
    const signal = AbortSignal.any([this.leaving.signal, AbortSignal.timeout(OPEN_TIMEOUT_MS)]);
    await this.client.open(id, { retry: true, signal }).catch(() => undefined);
  }

  private async send(line: string, withCommands: boolean): Promise<void> {
    if (this.currentId === undefined) return this.fail('to which conversation?');
    const { linesRead, currentId } = this;
    const refused = (error: unknown) => this.fail(`line ${linesRead}: ${errorText(error)}`);
    try {
      const { stored, clientId } = this.client.send(currentId, withCommands ? draftOf(line) : { body: line });
      const done = stored.then(
        (message) => this.sent(message),
        (error: unknown) => {
          // The failure is printed below, and nobody is there to retry.
          if (ParleyError.of(error).code !== 'unauthenticated') this.client.discard(currentId, clientId);
          refused(error);
        },
      );
      this.pending.add(done);
      void done.finally(() => this.pending.delete(done));
    } catch (error) {
      refused(error);
    }
    if (this.pending.size >= MAX_PENDING) await this.settleOne();
  }

  private async sent(message: Message): Promise<void> {
    if (this.options.json && !this.options.follow)
      await this.print(message, this.client.getState().conversations.get(message.conversationId)?.conversation);
  }

  /** Waits until all messages are stored or refused, or until the time limit passes without one. */
  private async settleAll(): Promise<void> {
    while (this.pending.size > 0 && (await this.settleOne()));
  }

  /**
   * Waits until one more message is stored or refused. Resolves with false, and ends the program, when that takes too
   * long.
   */
  private async settleOne(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(() => resolve('timeout'), this.options.timeoutMs);
      this.leaving.signal.addEventListener('abort', () => resolve('timeout'), { once: true });
      if (this.leaving.signal.aborted) resolve('timeout');
    });
    const first = await Promise.race([timeout, ...this.pending]);
    clearTimeout(timer);
    if (first !== 'timeout') return true;
    this.fail(`${this.pending.size} not stored yet: kept here, and sent at the next start`, () => this.leaving.abort());
    return false;
  }

  private fail(text: string, then: () => void = () => undefined): void {
    this.exitCode = 1;
    this.say(text);
    then();
  }

  // ── output ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async follow(only: Conversation | undefined): Promise<Follower> {
    const conversations = only ? [only] : await this.directory.ownConversations();
    const follower = new Follower(this.client, (message, conversation) => this.print(message, conversation), only?.id);
    follower.start(conversations, only ? this.options.history : 0);
    return follower;
  }

  private async print(message: Message, conversation: Conversation | undefined): Promise<void> {
    const names = [message.senderId, ...(message.system?.userId === undefined ? [] : [message.system.userId])].map(
      (userId) => this.directory.loadName(userId),
    );
    await Promise.allSettled([...names, conversation && this.directory.loadTitle(conversation)]);
    const sender = this.directory.name(message.senderId);
    const title = conversation ? this.directory.title(conversation) : message.conversationId;
    if (this.options.json) return this.write(jsonLine({ conversation: title, sender, message }));
    const text = inline(textOf(message, this.directory));
    return this.write(
      `${dayOf(message.createdAt)} ${timeOf(message.createdAt)}  ${title} #${message.seq}  ${message.type === 'system' ? `* ${text}` : `${sender}: ${text}`}`,
    );
  }

  private write(line: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.streams.output.write(`${line}\n`, (error) => (error ? reject(error) : resolve())),
    );
  }
}

/** The lines of a stream, without line ends. Throws a {@link UsageError} for a line that no message can hold. */
async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield part.replace(/\r$/, '');
    if (rest.length > MAX_LINE_CHARACTERS)
      throw new UsageError(`a line is longer than ${MAX_LINE_CHARACTERS} characters`);
  }
  if (rest !== '') yield rest;
}
