import type { Readable, Writable } from 'node:stream';
import { ParleyError, type Conversation, type Message, type ParleyClient } from '@parley/client';
import { draftOf, isCommand, problemText, runCommand } from '../commands/commands.js';
import type { Desk } from '../commands/command-context.js';
import type { Directory } from '../text/directory.js';
import { Follower } from './follower.js';
import { dayOf, textOf, timeOf } from '../text/message-text.js';
import { UsageError, type Options } from '../options.js';
import { inline, jsonLine } from '../text/printable.js';

/** Messages on their way before more lines are read. */
const MOST_ON_THEIR_WAY = 100;
/** No message is longer than this; a file without newlines must not fill the memory. */
const MOST_CHARACTERS = 64 * 1024;
const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface Streams {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  readonly problems: Writable;
  /** Aborts when it is time to leave. */
  readonly signal: AbortSignal;
}

type LineOptions = Pick<Options, 'to' | 'follow' | 'history' | 'json' | 'commands' | 'timeoutMs'>;

/** Lines in, lines out. Resolves with the exit code: 0 when all that was read is stored and every command went well. */
export async function runLines(
  client: ParleyClient,
  directory: Directory,
  options: LineOptions,
  streams: Streams,
): Promise<number> {
  return new Lines(client, directory, options, streams).run();
}

class Lines implements Desk {
  private here: string | undefined;
  private code = 0;
  private read = 0;
  private readonly onTheirWay = new Set<Promise<void>>();
  private readonly leaving = new AbortController();

  constructor(
    readonly client: ParleyClient,
    readonly directory: Directory,
    private readonly options: LineOptions,
    private readonly streams: Streams,
  ) {}

  async run(): Promise<number> {
    const { input, signal } = this.streams;
    const typing = input.isTTY === true;
    const follow = this.options.follow || typing;
    if (this.options.to === undefined && !follow && !this.options.commands)
      throw new UsageError('--to: to which conversation?');
    const leave = () => this.leaving.abort();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    const stopWatching = this.client.on('revoked', ({ reason }) =>
      this.fail(`the server ended the session: ${reason}`, leave),
    );
    // Waiting for the end of what is read must not outlast the wish to leave.
    this.leaving.signal.addEventListener('abort', () => input.destroy(), { once: true });
    try {
      const target = await this.target();
      const follower = follow ? await this.follow(target) : undefined;
      await this.readAll(typing || this.options.commands);
      await this.settle();
      if (follower && !typing && !this.leaving.signal.aborted)
        await new Promise((resolve) => this.leaving.signal.addEventListener('abort', resolve, { once: true }));
      follower?.stop();
      return this.code;
    } finally {
      stopWatching();
      signal.removeEventListener('abort', leave);
    }
  }

  // ── what commands see ─────────────────────────────────────────────────────────────────────────────────────────

  current(): string | undefined {
    return this.here;
  }

  select(conversationId: string | undefined): void {
    this.here = conversationId;
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

  // ── in ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** With an id nothing is asked: what is written then is kept also when the server cannot be reached. */
  private async target(): Promise<Conversation | undefined> {
    const { to, follow } = this.options;
    if (to === undefined) return undefined;
    if (idPattern.test(to) && !follow) {
      this.here = to.toLowerCase();
      return undefined;
    }
    const conversation = await this.directory.conversation(to);
    this.here = conversation.id;
    return conversation;
  }

  private async readAll(withCommands: boolean): Promise<void> {
    try {
      for await (const line of linesOf(this.streams.input)) {
        this.read++;
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
    // What it is about is what was written before.
    await this.settle();
    if (this.here !== undefined) await this.client.open(this.here).catch(() => undefined);
    if (!(await runCommand(this, line))) this.code = 1;
    await this.client.flush();
  }

  private async send(line: string, withCommands: boolean): Promise<void> {
    if (this.here === undefined) return this.fail('to which conversation?');
    const { read, here } = this;
    const refused = (error: unknown) => this.fail(`line ${read}: ${problemText(error)}`);
    try {
      const { stored, clientId } = this.client.send(here, withCommands ? draftOf(line) : { body: line });
      const done = stored.then(
        (message) => this.sent(message),
        (error: unknown) => {
          // It has been told, and nobody is there to try again.
          if (ParleyError.of(error).code !== 'unauthenticated') this.client.discard(here, clientId);
          refused(error);
        },
      );
      this.onTheirWay.add(done);
      void done.finally(() => this.onTheirWay.delete(done));
    } catch (error) {
      refused(error);
    }
    if (this.onTheirWay.size >= MOST_ON_THEIR_WAY) await this.progress();
  }

  private async sent(message: Message): Promise<void> {
    if (this.options.json && !this.options.follow)
      await this.print(message, this.client.getState().conversations.get(message.conversationId)?.conversation);
  }

  /** Waits until everything is stored or refused, or nothing was for too long. */
  private async settle(): Promise<void> {
    while (this.onTheirWay.size > 0 && (await this.progress()));
  }

  /** Waits until one more is stored or refused; false, and the end of reading, when that takes too long. */
  private async progress(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.options.timeoutMs);
      this.leaving.signal.addEventListener('abort', () => resolve('late'), { once: true });
      if (this.leaving.signal.aborted) resolve('late');
    });
    const first = await Promise.race([late, ...this.onTheirWay]);
    clearTimeout(timer);
    if (first !== 'late') return true;
    this.fail(`${this.onTheirWay.size} not stored yet: kept here, and sent at the next start`, () =>
      this.leaving.abort(),
    );
    return false;
  }

  private fail(text: string, then: () => void = () => undefined): void {
    this.code = 1;
    this.say(text);
    then();
  }

  // ── out ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private async follow(only: Conversation | undefined): Promise<Follower> {
    const conversations = only ? [only] : await this.directory.own();
    const follower = new Follower(this.client, (message, conversation) => this.print(message, conversation), only?.id);
    follower.start(conversations, only ? this.options.history : 0);
    return follower;
  }

  private async print(message: Message, conversation: Conversation | undefined): Promise<void> {
    const known = [message.senderId, ...(message.system?.userId === undefined ? [] : [message.system.userId])].map(
      (userId) => this.directory.learnName(userId),
    );
    await Promise.allSettled([...known, conversation && this.directory.learnTitle(conversation)]);
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

/** Without their ends. Throws a {@link UsageError} for one that no message can hold. */
async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield part.replace(/\r$/, '');
    if (rest.length > MOST_CHARACTERS) throw new UsageError(`a line is longer than ${MOST_CHARACTERS} characters`);
  }
  if (rest !== '') yield rest;
}
