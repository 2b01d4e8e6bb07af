import { ChatError, names, type Service } from '@parley/contracts';
import type { ConsumeMessage, Options } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Arrival, Death } from '../delivery/inbound-message.js';
import { headersFor, readOrigin, type Origin } from './wire-format.js';
import { backOff } from '../delivery/delivery-runner.js';
import type { Retries } from '../retries.js';
import type { Flow } from './queue-consumer.js';
import { retryQueue } from './topology.js';

/** Headers of our messages. */
export interface Headers {
  readonly 'correlation-id'?: string;
  readonly traceparent?: string;
  /** How long its requester waits, in milliseconds from when it was sent: a time of day would be another one on another machine. */
  readonly budget?: number;
  /** How often an event was tried. */
  readonly attempts?: number;
  readonly stream?: string;
  readonly number?: number;
  /** There: the content is not a payload, but a list of {@link BundledRequest}. */
  readonly bundle?: number;
}

/** AMQP's short strings are shorter than 256 bytes; bytes that are no UTF-8 have grown when they were read. */
export const isShort = (value: unknown): value is string => typeof value === 'string' && Buffer.byteLength(value) < 256;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const ours: ReadonlyMap<string, (value: unknown) => boolean> = new Map<keyof Headers, (value: unknown) => boolean>([
  ['correlation-id', isShort],
  ['traceparent', isShort],
  ['budget', isCount],
  ['attempts', isCount],
  ['stream', isShort],
  ['number', isCount],
  ['bundle', isCount],
]);

/** Our headers, as we write them: what else a message carries is not believed, nor passed on, where it might not even fit. */
export const headersOf = ({ properties }: Pick<ConsumeMessage, 'properties'>): Headers =>
  Object.fromEntries(Object.entries(properties.headers ?? {}).filter(([name, value]) => ours.get(name)?.(value)));

/** What an arrival needs of its broker. */
export interface Office {
  answer(queue: string, id: string, answer: Answer, deadline: number | undefined): void;
  /** Resolves when confirmed; rejects with Unavailable. */
  keep(exchange: string, key: string, content: Buffer, options: Options.Publish): Promise<void>;
  readonly retries: Retries;
}

/** One request or event as it came: a message of RabbitMQ, or one part of a message. */
interface Letter extends Origin {
  readonly name: string;
  readonly headers: Headers;
  readonly replyTo: string | undefined;
  /** Under which its requester waits for the answer. */
  readonly requestId: string | undefined;
  readonly redelivered: boolean;
  readonly live: boolean;
  read(): unknown;
  /** What it says, to be kept elsewhere. */
  content(): Buffer;
  /** It is settled: the message is acknowledged when all of it is. */
  done(): void;
  /** Puts the message back into its queue, with all that is in it. */
  giveBack(): void;
}

/** A request among others of its name in one message: its id, its origin, its budget, its payload. */
export type BundledRequest = readonly [requestId: string, origin: string, budget: number, payload: unknown];
const isBundled = (part: unknown): part is BundledRequest =>
  Array.isArray(part) && part.length === 4 && isShort(part[0]) && isShort(part[1]) && isCount(part[2]);

/** What a message from RabbitMQ brings: itself, or, of requests that travel together, each. */
export function arrivalsOf(
  message: ConsumeMessage,
  flow: Flow,
  queue: string,
  service: Service,
  office: Office,
): Arrival[] {
  const letters = bundled(message, flow) ?? [single(message, flow)];
  return letters.map((letter) => new RabbitArrival(letter, queue, service, office));
}

const propertiesOf = ({
  properties,
}: ConsumeMessage): { name: string; replyTo: string | undefined; requestId: string | undefined } => ({
  name: String(properties.type),
  replyTo: properties.replyTo as string | undefined,
  requestId: properties.correlationId as string | undefined,
});

/** A span is believed only where it is one of the trace that the message names. */
function originIn({ 'correlation-id': correlationId, traceparent }: Headers, otherwise: string): Origin {
  const parent = traceparent === undefined ? undefined : readOrigin(traceparent);
  if (correlationId === undefined) return { correlationId: otherwise, spanId: undefined };
  return parent?.correlationId === correlationId ? parent : { correlationId, spanId: undefined };
}

function single(message: ConsumeMessage, flow: Flow): Letter {
  const headers = headersOf(message);
  return {
    ...propertiesOf(message),
    headers,
    ...originIn(headers, String(message.properties.messageId ?? 'none')),
    redelivered: message.fields.redelivered || (headers.attempts ?? 0) > 0,
    get live() {
      return flow.live;
    },
    read: () => JSON.parse(message.content.toString()) as unknown,
    content: () => message.content,
    done: () => flow.done(message),
    giveBack: () => flow.giveBack(message),
  };
}

/** Undefined when it is no bundle, or says so and is none. */
function bundled(message: ConsumeMessage, flow: Flow): Letter[] | undefined {
  const { bundle, traceparent: _first, ...headers } = headersOf(message);
  if (bundle === undefined) return undefined;
  const parts = partsIn(message.content);
  if (parts === undefined) return undefined;
  let open = parts.length;
  const settled = () => {
    if (--open === 0) flow.done(message);
  };
  return parts.map(([requestId, text, budget, payload]): Letter => ({
    ...propertiesOf(message),
    requestId,
    headers: { ...headers, ...headersFor(readOrigin(text)), budget },
    ...readOrigin(text),
    redelivered: message.fields.redelivered || (headers.attempts ?? 0) > 0,
    get live() {
      return flow.live;
    },
    read: () => payload,
    content: () => Buffer.from(JSON.stringify(payload)),
    done: settled,
    giveBack: () => flow.giveBack(message),
  }));
}

function partsIn(content: Buffer): BundledRequest[] | undefined {
  try {
    const parts = JSON.parse(content.toString()) as unknown;
    return Array.isArray(parts) && parts.length > 0 && parts.every(isBundled) ? parts : undefined;
  } catch {
    return undefined;
  }
}

/** A request or event from RabbitMQ. */
class RabbitArrival implements Arrival {
  /** By the clock of this process. What a request waited in its queue does not count: RabbitMQ drops queries that wait too long, and commands are carried out however late. */
  readonly deadline: number | undefined;

  constructor(
    private readonly letter: Letter,
    readonly queue: string,
    private readonly service: Service,
    private readonly office: Office,
  ) {
    const { budget } = letter.headers;
    this.deadline = budget === undefined ? undefined : Date.now() + budget;
  }

  get name(): string {
    return this.letter.name;
  }
  get correlationId(): string {
    return this.letter.correlationId;
  }
  get spanId(): string | undefined {
    return this.letter.spanId;
  }
  get redelivered(): boolean {
    return this.letter.redelivered;
  }
  get live(): boolean {
    return this.letter.live;
  }
  get asked(): boolean {
    return this.letter.replyTo !== undefined;
  }

  read(): unknown {
    return this.letter.read();
  }

  answer(answer: Answer): void {
    const { replyTo, requestId } = this.letter;
    if (!replyTo || !requestId) return;
    try {
      this.office.answer(replyTo, requestId, answer, this.deadline);
    } catch {
      // What JSON cannot hold is the handler's defect, and the requester must not wait for it.
      this.office.answer(replyTo, requestId, { error: new ChatError('internal').toBody() }, this.deadline);
    }
  }

  done(): void {
    this.letter.done();
  }

  async die(death: Death): Promise<void> {
    const headers = {
      ...this.letter.headers,
      reason: death.reason,
      detail: death.detail.slice(0, 500),
      queue: this.queue,
      'died-at': Date.now(),
    };
    for (let times = 0; this.live; times++) {
      try {
        await this.office.keep(names.dead, '', this.letter.content(), { ...this.kept(), headers });
        return this.done();
      } catch {
        await sleep(backOff(times, 100, 5000));
      }
    }
  }

  async later(): Promise<boolean> {
    const attempts = (this.letter.headers.attempts ?? 0) + 1;
    const { delaysMs, limit } = this.office.retries;
    if (attempts > limit) return false;
    const delay = delaysMs[Math.min(attempts, delaysMs.length) - 1]!;
    try {
      await this.office.keep(names.commands, retryQueue(this.service, delay), this.letter.content(), {
        ...this.kept(),
        mandatory: true,
        headers: { ...this.letter.headers, attempts },
      });
      this.done();
    } catch {
      // Not safe elsewhere: it goes back to its own queue when the channel closes, or now.
      this.letter.giveBack();
    }
    return true;
  }

  private kept(): Options.Publish {
    const { name, replyTo, requestId } = this.letter;
    return {
      persistent: true,
      ...Object.fromEntries(
        Object.entries({ type: name, replyTo, correlationId: requestId }).filter(([, value]) => isShort(value)),
      ),
    };
  }
}
