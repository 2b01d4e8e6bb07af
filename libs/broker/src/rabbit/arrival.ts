import { ChatError, names, type Service } from '@parley/contracts';
import type { ConsumeMessage, Options } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Arrival, Death } from '../arrival.js';
import { backOff } from '../outcome.js';
import type { Retries } from '../retries.js';
import type { Flow } from './subscription.js';
import { retryQueue } from './topology.js';

/** Headers of our messages. */
export interface Headers {
  readonly 'correlation-id'?: string;
  readonly traceparent?: string;
  readonly deadline?: number;
  /** How often an event was tried. */
  readonly attempts?: number;
  readonly stream?: string;
  readonly number?: number;
}

/** AMQP's short strings are shorter than 256 bytes; bytes that are no UTF-8 have grown when they were read. */
export const isShort = (value: unknown): value is string => typeof value === 'string' && Buffer.byteLength(value) < 256;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const ours: ReadonlyMap<string, (value: unknown) => boolean> = new Map<keyof Headers, (value: unknown) => boolean>([
  ['correlation-id', isShort], ['traceparent', isShort], ['deadline', isCount], ['attempts', isCount], ['stream', isShort], ['number', isCount],
]);

/** Our headers, as we write them: what else a message carries is not believed, nor passed on, where it might not even fit. */
export const headersOf = ({ properties }: Pick<ConsumeMessage, 'properties'>): Headers => Object.fromEntries(Object.entries(properties.headers ?? {}).filter(([name, value]) => ours.get(name)?.(value)));

/** What an arrival needs of its broker. */
export interface Office {
  answer(queue: string, id: string, answer: Answer, deadline: number | undefined): void;
  /** Resolves when confirmed; rejects with Unavailable. */
  keep(exchange: string, key: string, content: Buffer, options: Options.Publish): Promise<void>;
  readonly retries: Retries;
}

/** A message from RabbitMQ. */
export class RabbitArrival implements Arrival {
  private readonly headers: Headers;

  constructor(
    private readonly message: ConsumeMessage,
    private readonly flow: Flow,
    readonly queue: string,
    private readonly service: Service,
    private readonly office: Office,
  ) {
    this.headers = headersOf(message);
  }

  get name(): string {
    return String(this.message.properties.type);
  }
  get correlationId(): string {
    return this.headers['correlation-id'] ?? String(this.message.properties.messageId ?? 'none');
  }
  get redelivered(): boolean {
    return this.message.fields.redelivered || (this.headers.attempts ?? 0) > 0;
  }
  get deadline(): number | undefined {
    return this.headers.deadline;
  }
  get live(): boolean {
    return this.flow.live;
  }

  get asked(): boolean {
    return this.message.properties.replyTo !== undefined;
  }

  read(): unknown {
    return JSON.parse(this.message.content.toString());
  }

  answer(answer: Answer): void {
    const { replyTo, correlationId } = this.message.properties as { replyTo?: string; correlationId?: string };
    if (!replyTo || !correlationId) return;
    try {
      this.office.answer(replyTo, correlationId, answer, this.deadline);
    } catch {
      // What JSON cannot hold is the handler's defect, and the requester must not wait for it.
      this.office.answer(replyTo, correlationId, { error: new ChatError('internal').toBody() }, this.deadline);
    }
  }

  done(): void {
    this.flow.done(this.message);
  }

  async die(death: Death): Promise<void> {
    const headers = { ...this.headers, reason: death.reason, detail: death.detail.slice(0, 500), queue: this.queue, 'died-at': Date.now() };
    for (let times = 0; this.live; times++) {
      try {
        await this.office.keep(names.dead, '', this.message.content, { ...this.kept(), headers });
        return this.done();
      } catch {
        await sleep(backOff(times, 100, 5000));
      }
    }
  }

  async later(): Promise<boolean> {
    const attempts = (this.headers.attempts ?? 0) + 1;
    const { delaysMs, limit } = this.office.retries;
    if (attempts > limit) return false;
    const delay = delaysMs[Math.min(attempts, delaysMs.length) - 1]!;
    try {
      await this.office.keep(names.commands, retryQueue(this.service, delay), this.message.content, { ...this.kept(), mandatory: true, headers: { ...this.headers, attempts } });
      this.done();
    } catch {
      // Not safe elsewhere: it goes back to its own queue when the channel closes, or now.
      this.flow.giveBack(this.message);
    }
    return true;
  }

  private kept(): Options.Publish {
    const { type, replyTo, correlationId } = this.message.properties as { type?: string; replyTo?: string; correlationId?: string };
    return { persistent: true, ...Object.fromEntries(Object.entries({ type, replyTo, correlationId }).filter(([, value]) => isShort(value))) };
  }
}
