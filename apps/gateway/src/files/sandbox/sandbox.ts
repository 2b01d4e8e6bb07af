import { fork, type ChildProcess } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ChatError } from '@parley/contracts';
import { Logger } from '@parley/service-kit';
import { MissingFile } from '../store.js';
import { previewPath, type Content, type Reply, type Request } from './exchange.js';

/** Limits of the examination of files. */
export interface SandboxLimits {
  readonly processes: number;
  /** Milliseconds of processor time for one file, so that a busy machine gives it longer. Measured on Linux only. */
  readonly processorMs: number;
  /** Milliseconds for one file in any case. */
  readonly deadlineMs: number;
  /** Resident memory of one process. Measured on Linux only. */
  readonly memoryBytes: number;
  /** Files that may wait, of everybody and of one user. */
  readonly waiting: number;
  readonly waitingPerUser: number;
  /** Milliseconds after which a process without work ends. */
  readonly idleMs: number;
}
export const defaultSandboxLimits: SandboxLimits = Object.freeze({
  processes: 2,
  processorMs: 8_000,
  deadlineMs: 30_000,
  memoryBytes: 512 * 1024 ** 2,
  waiting: 256,
  waitingPerUser: 40,
  idleMs: 60_000,
});

const WATCH_MS = 50;
const RETRY_MS = 5_000;
const START_TIMEOUT_MS = 60_000;
/** Enough for the gateway to come first. More would let other programs starve the examination of files. */
const NICENESS = 4;
/** The unit of times in `/proc`. */
const TICK_MS = 10;
/** Of JavaScript's objects, in MiB. Pictures are not among them. */
const HEAP_MIB = 256;

interface Job extends PromiseWithResolvers<Content> {
  readonly userId: string;
  readonly request: Request;
}

/**
 * Examines files that users send, in processes of their own: decoders and parsers never run in the gateway. A file that
 * takes too much time or memory costs its process, and nobody else's. Each user has one file examined at a time, and
 * users take turns.
 */
@Injectable()
export class Sandbox implements OnModuleDestroy {
  /** Files that wait, by user. The first user's turn is next. */
  private readonly waiting = new Map<string, Job[]>();
  private readonly served = new Set<string>();
  private readonly idle: MediaProcess[] = [];
  private readonly busy = new Set<MediaProcess>();
  private waitingCount = 0;

  constructor(
    private readonly logger: Logger,
    private readonly limits: SandboxLimits = defaultSandboxLimits,
  ) {}

  /** Ids of the processes that are running. */
  get processIds(): number[] {
    return [...this.idle, ...this.busy].flatMap(({ pid }) => pid ?? []);
  }

  /**
   * Recognises a file, and writes a picture's preview and the picture without metadata to paths that begin with
   * `output`, which the caller removes. A file whose examination took too much has what was known until then: its kind,
   * but no preview or duration. Rejects with `unsupported_media` when that is nothing or the kind is never accepted,
   * with `rate_limited` or `unavailable` when too many files wait, and with {@link MissingFile}.
   */
  async examine(userId: string, request: Request): Promise<Content> {
    const own = this.waiting.get(userId) ?? [];
    if (own.length >= this.limits.waitingPerUser)
      throw new ChatError('rate_limited', 'Too many of your files wait', { retryAfterMs: RETRY_MS });
    if (this.waitingCount >= this.limits.waiting) throw new ChatError('unavailable', 'Too many files wait');
    const job: Job = { userId, request, ...Promise.withResolvers<Content>() };
    this.waiting.set(userId, own);
    own.push(job);
    this.waitingCount++;
    this.work();
    return job.promise;
  }

  /** Ends all processes. Files that wait are answered `unavailable`. */
  onModuleDestroy(): void {
    for (const job of [...this.waiting.values()].flat()) job.reject(new ChatError('unavailable', 'The gateway stops'));
    this.waiting.clear();
    this.waitingCount = 0;
    for (const one of [...this.idle, ...this.busy]) one.kill();
  }

  private work(): void {
    while (this.busy.size < this.limits.processes) {
      const job = this.next();
      if (!job) return;
      const one = this.idle.pop() ?? new MediaProcess(this.limits, (ended) => this.forget(ended));
      this.busy.add(one);
      this.served.add(job.userId);
      void this.run(one, job);
    }
  }

  private next(): Job | undefined {
    for (const [userId, jobs] of this.waiting) {
      if (this.served.has(userId)) continue;
      const job = jobs.shift();
      this.waiting.delete(userId);
      if (jobs.length > 0) this.waiting.set(userId, jobs);
      this.waitingCount--;
      return job;
    }
    return undefined;
  }

  private async run(one: MediaProcess, job: Job): Promise<void> {
    try {
      job.resolve(await one.examine(job.request));
    } catch (error) {
      if (error instanceof Overrun) {
        this.logger.warn({ userId: job.userId, reason: error.message }, 'the examination of a file was ended');
        if (error.known) job.resolve(await withoutPreview(job.request.output, error.known));
        else job.reject(new ChatError('unsupported_media', 'The file takes too much to examine', { cause: error }));
      } else job.reject(error);
    }
    this.busy.delete(one);
    this.served.delete(job.userId);
    if (one.rest()) this.idle.push(one);
    else one.kill();
    this.work();
  }

  private forget(ended: MediaProcess): void {
    const index = this.idle.indexOf(ended);
    if (index !== -1) this.idle.splice(index, 1);
  }
}

/** What was known of a file whose examination did not end. */
class Overrun extends Error {
  constructor(
    reason: string,
    readonly known: Content | undefined,
  ) {
    super(reason);
  }
}

/** A preview may be half written. */
async function withoutPreview(output: string, known: Content): Promise<Content> {
  await rm(previewPath(output), { force: true });
  return known;
}

/** One process. It has no secrets: its environment is empty. */
class MediaProcess {
  private readonly child: ChildProcess;
  private readonly started = Promise.withResolvers<void>();
  private job: (PromiseWithResolvers<Content> & { known?: Content }) | undefined;
  private killedFor: string | undefined;
  private ended = false;
  private memory = 0;
  /** Processor time when the present file began. */
  private startedAtMs = 0;
  private idleTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: SandboxLimits,
    private readonly onEnd: (ended: MediaProcess) => void,
  ) {
    const file = import.meta.url.endsWith('.ts') ? './program.ts' : './program.js';
    this.child = fork(new URL(file, import.meta.url), {
      execArgv: [`--max-old-space-size=${HEAP_MIB}`],
      // Fewer arenas return more memory.
      env: { MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.started.promise.catch(() => undefined);
    this.child.on('message', (reply: Reply) => this.take(reply));
    this.child.once('error', (error) => this.end(error.message));
    this.child.once('exit', (code, signal) => this.end(this.killedFor ?? `it ended with ${signal ?? code}`));
    // A gateway that stops does not wait for it.
    this.child.unref();
    this.child.channel?.unref();
    void yieldToGateway(this.child.pid);
  }

  get pid(): number | undefined {
    return this.ended ? undefined : this.child.pid;
  }

  /** Waits for another file. Returns false once it ended, or when it holds so much memory that a new process is better. */
  rest(): boolean {
    if (this.ended || this.killedFor !== undefined || this.memory > this.limits.memoryBytes / 2) return false;
    this.idleTimer = setTimeout(() => this.kill(), this.limits.idleMs).unref();
    return true;
  }

  async examine(request: Request): Promise<Content> {
    clearTimeout(this.idleTimer);
    await this.waitForStart();
    this.startedAtMs = (await this.usage()).processorMs;
    const job: NonNullable<typeof this.job> = Promise.withResolvers<Content>();
    this.job = job;
    const deadline = setTimeout(() => this.kill('the deadline'), this.limits.deadlineMs);
    const watch = setInterval(() => void this.watch(), WATCH_MS);
    try {
      if (this.ended) throw new ChatError('unavailable', 'The file cannot be examined now');
      this.child.send(request, (error) => error && this.kill(error.message));
      return await job.promise;
    } finally {
      clearTimeout(deadline);
      clearInterval(watch);
      this.job = undefined;
    }
  }

  kill(reason = 'no more work'): void {
    this.killedFor ??= reason;
    this.onEnd(this);
    this.child.kill('SIGKILL');
  }

  private async waitForStart(): Promise<void> {
    const timer = setTimeout(() => this.kill('no start'), START_TIMEOUT_MS);
    try {
      await this.started.promise;
    } catch (error) {
      throw new ChatError('unavailable', 'The file cannot be examined now', { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  private take(reply: Reply): void {
    const { job } = this;
    switch (reply.kind) {
      case 'started':
        return this.started.resolve();
      case 'known':
        if (job) job.known = reply.content;
        return;
      case 'done':
        return job?.resolve(reply.content);
      case 'refused':
        return job?.reject(new ChatError('unsupported_media', reply.reason));
      case 'missing':
        return job?.reject(new MissingFile('no such file'));
      case 'failed':
        return job?.reject(new Error(reply.reason));
    }
  }

  private end(reason: string): void {
    this.ended = true;
    this.onEnd(this);
    clearTimeout(this.idleTimer);
    this.started.reject(new Error(reason));
    this.job?.reject(new Overrun(reason, this.job.known));
  }

  private async watch(): Promise<void> {
    const { memory, processorMs } = await this.usage();
    this.memory = memory;
    if (memory > this.limits.memoryBytes) this.kill('its memory');
    if (processorMs - this.startedAtMs > this.limits.processorMs) this.kill('its processor time');
  }

  /** Nothing where there is no `/proc`. */
  private async usage(): Promise<{ memory: number; processorMs: number }> {
    const [status, stat] = await Promise.all(
      ['status', 'stat'].map((file) => readFile(`/proc/${this.child.pid}/${file}`, 'utf8').catch(() => '')),
    );
    const [, kibibytes = '0'] = /^VmRSS:\s*(\d+) kB$/m.exec(status!) ?? [];
    // The name of the program, in parentheses, may have spaces.
    const [user = '0', system = '0'] = stat!
      .slice(stat!.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return { memory: Number(kibibytes) * 1024, processorMs: (Number(user) + Number(system)) * TICK_MS };
  }
}

/** Gives the gateway precedence, for the processor and when the machine has no memory left. */
async function yieldToGateway(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  try {
    setPriority(pid, Math.min(19, getPriority() + NICENESS));
  } catch {
    // It has ended.
  }
  await writeFile(`/proc/${pid}/oom_score_adj`, '1000').catch(() => undefined);
}
