import type { Unavailable } from '@parley/service-kit';
import type { Publication } from './publisher.js';

/** Something that may travel with others. */
export interface Part {
  /** JSON. */
  readonly content: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  confirmed?(): void;
  failed?(error: Unavailable): void;
}

/** Makes one message of parts that have the same target, in their order; at least one. */
export type Bind<P extends Part = Part> = (
  parts: readonly P[],
) => Omit<Publication, 'deadline' | 'confirmed' | 'failed'>;

interface Bundle {
  readonly kind: string;
  readonly parts: Part[];
  readonly bind: Bind;
  length: number;
}

/** Of one message, in parts and in characters. A longer part has one of its own. */
const MOST_PARTS = 64;
const MOST_LENGTH = 64 * 1024;

/**
 * Makes one message of what is sent to one target within a turn of the event loop: for RabbitMQ, and for everybody who reads it, one message with twenty things in it costs little more than
 * one with one. Nothing waits longer than until the turn's end. To each target everything goes in the order in which it was given.
 */
export class Gathering {
  private waiting: (Bundle | Publication)[] = [];
  private readonly open = new Map<string, Bundle>();

  constructor(private readonly send: (publication: Publication) => void) {}

  /** Goes with the part that was given for the same target before it, if that is of the same kind: parts of a kind have one type. The first one's `bind` binds them. */
  together<P extends Part>(target: string, kind: string, part: P, bind: Bind<P>): void {
    let bundle = this.open.get(target);
    if (
      bundle?.kind !== kind ||
      bundle.parts.length >= MOST_PARTS ||
      bundle.length + part.content.length > MOST_LENGTH
    ) {
      this.open.set(target, (bundle = { kind, parts: [], bind: bind as Bind, length: 0 }));
      this.add(bundle);
    }
    bundle.parts.push(part);
    bundle.length += part.content.length;
  }

  /** Goes by itself, after everything that was given for the same target. */
  alone(target: string, publication: Publication): void {
    this.open.delete(target);
    this.add(publication);
  }

  /** Sends now. */
  flush(): void {
    const { waiting } = this;
    this.waiting = [];
    this.open.clear();
    for (const one of waiting) this.send('parts' in one ? publicationOf(one) : one);
  }

  private add(one: Bundle | Publication): void {
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    this.waiting.push(one);
  }
}

function publicationOf({ parts, bind }: Bundle): Publication {
  return {
    ...bind(parts),
    deadline: Math.max(...parts.map(({ deadline }) => deadline)),
    confirmed: () => {
      for (const part of parts) part.confirmed?.();
    },
    failed: (error) => {
      for (const part of parts) part.failed?.(error);
    },
  };
}
