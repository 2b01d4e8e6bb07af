/** The format of messages on RabbitMQ: headers, and bundles of requests, answers and frames in one message (ADR 20). */
import { ErrorBody, PushFrame } from '@parley/contracts';
import { parseTraceparent, traceparentOf, type Trace } from '@parley/service-kit';
import type { MessageProperties } from 'amqplib';
import type { Answer } from '../delivery/inbound-message.js';

/** The headers of our messages. All are optional: a message may come from an older version, or from elsewhere. */
export interface Headers {
  /** The trace id of the work that the message was sent for. */
  readonly 'correlation-id'?: string;
  readonly traceparent?: string;
  /**
   * How long the requester waits, in milliseconds since it sent the message: a duration, because clocks of machines
   * differ.
   */
  readonly budget?: number;
  /** How often an event was retried. */
  readonly attempts?: number;
  /** See `push-order.ts`. */
  readonly stream?: string;
  readonly number?: number;
  /** If present, the content is a list of {@link BundledRequest}s instead of a payload. */
  readonly bundle?: number;
}

/** Whether a text fits into AMQP's short strings (255 bytes). Invalid UTF-8 became longer when it was decoded. */
export const isShort = (value: unknown): value is string => typeof value === 'string' && Buffer.byteLength(value) < 256;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const headerChecks: ReadonlyMap<string, (value: unknown) => boolean> = new Map<
  keyof Headers,
  (value: unknown) => boolean
>([
  ['correlation-id', isShort],
  ['traceparent', isShort],
  ['budget', isCount],
  ['attempts', isCount],
  ['stream', isShort],
  ['number', isCount],
  ['bundle', isCount],
]);

/**
 * The headers that we write, where they are well-formed. Unknown headers are dropped: they are untrusted and may be too
 * long to republish.
 */
export const headersOf = ({ properties }: { readonly properties: Pick<MessageProperties, 'headers'> }): Headers =>
  Object.fromEntries(
    Object.entries(properties.headers ?? {}).filter(([name, value]) => headerChecks.get(name)?.(value)),
  );

/** A trace as headers; {@link traceIn} reads them. */
export function traceHeaders(trace: Trace): Pick<Headers, 'correlation-id' | 'traceparent'> {
  const traceparent = traceparentOf(trace);
  return { 'correlation-id': trace.traceId, ...(traceparent !== undefined && { traceparent }) };
}

/** The trace that headers name, or `fallback`. A span counts only when it belongs to the trace that is named beside it. */
export function traceIn({ 'correlation-id': traceId, traceparent }: Headers, fallback: string): Trace {
  if (traceId === undefined) return { traceId: fallback };
  const parent = parseTraceparent(traceparent);
  return parent?.traceId === traceId ? parent : { traceId };
}

/** A trace as one text; {@link readTrace} reads it. */
export const traceText = (trace: Trace): string => traceparentOf(trace) ?? trace.traceId;
/** The trace in a text of {@link traceText}. Any other text becomes a trace id. */
export const readTrace = (text: string): Trace => parseTraceparent(text) ?? { traceId: text };

/** A part of a message. */
export interface MessagePart {
  /** JSON. */
  readonly content: string;
}

/** A request that this process sends. `id` names it in the answer. */
export interface OutgoingRequest extends MessagePart {
  readonly id: string;
  readonly trace: Trace;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

/** A request in a message of several: its id, its trace, its budget, its payload. */
export type BundledRequest = readonly [id: string, trace: string, budget: number, payload: unknown];

/** How long a requester still waits, in milliseconds. */
export const budgetOf = (deadline: number): number => Math.max(0, Math.floor(deadline - Date.now()));

/**
 * Content and properties of the message of these requests, at least one, all of one name. A single request is its
 * content; several are a list of {@link BundledRequest}s.
 */
export function encodeRequests(requests: readonly OutgoingRequest[]): {
  readonly content: Buffer;
  readonly correlationId?: string;
  readonly headers: Headers;
} {
  const { id, trace, deadline, content } = requests[0]!;
  if (requests.length === 1)
    return {
      content: Buffer.from(content),
      correlationId: id,
      headers: { ...traceHeaders(trace), budget: budgetOf(deadline) },
    };
  const bundled = requests.map(
    (request) =>
      `["${request.id}",${JSON.stringify(traceText(request.trace))},${budgetOf(request.deadline)},${request.content}]`,
  );
  return {
    content: Buffer.from(`[${bundled.join(',')}]`),
    headers: { ...traceHeaders(trace), bundle: requests.length },
  };
}

/**
 * The requests of a message of several. Undefined when the message is a single one, or its content is not what its
 * header says.
 */
export function decodeRequests(content: Buffer, { bundle }: Headers): BundledRequest[] | undefined {
  if (bundle === undefined) return undefined;
  try {
    const parts = JSON.parse(content.toString()) as unknown;
    return Array.isArray(parts) && parts.length > 0 && parts.every(isBundledRequest) ? parts : undefined;
  } catch {
    return undefined;
  }
}

const isBundledRequest = (part: unknown): part is BundledRequest =>
  Array.isArray(part) && part.length === 4 && isShort(part[0]) && isShort(part[1]) && isCount(part[2]);

/** The content of a message with these parts: a list. */
export const encodeList = (parts: readonly MessagePart[]): Buffer =>
  Buffer.from(`[${parts.map(({ content }) => content).join(',')}]`);

/** One item of a list of answers. Throws when JSON cannot hold the answer. */
export const encodeAnswer = (id: string, answer: Answer): string => `[${JSON.stringify(id)},${JSON.stringify(answer)}]`;

/**
 * Visits every answer of a message. Throws if the content is not a list of answers. If a visit fails, the others still
 * run, and the first failure is thrown.
 */
export function forEachAnswer(content: Buffer, visit: (id: string, answer: Answer) => void): void {
  forEachItem(content, (item) => {
    if (!Array.isArray(item) || typeof item[0] !== 'string') return;
    const [id, answer] = item as [string, unknown];
    if (typeof answer === 'object' && answer !== null) visit(id, answer as Answer);
  });
}

/** Checks an answer from another process. Throws if it is not an answer. */
export const checkedAnswer = (answer: Answer): Answer =>
  'ok' in answer ? answer : { error: ErrorBody.parse(answer.error) as ErrorBody };

/** Visits every frame of a message; see {@link forEachAnswer} for what it throws. */
export const forEachFrame = (content: Buffer, visit: (frame: PushFrame) => void): void =>
  // Frames for users are most of all traffic. They are checked by hand: the schema would visit every user.
  forEachItem(content, (item) => visit(isUsersFrame(item) ? item : PushFrame.parse(item)));

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string';
function isUsersFrame(value: unknown): value is Extract<PushFrame, { kind: 'users' }> {
  const { kind, event, users, id, except, traceparent } = (value ?? {}) as Partial<Record<string, unknown>>;
  return (
    kind === 'users' &&
    typeof event === 'string' &&
    Array.isArray(users) &&
    users.every((user) => typeof user === 'string') &&
    isTextOrAbsent(id) &&
    isTextOrAbsent(except) &&
    isTextOrAbsent(traceparent)
  );
}

function forEachItem(content: Buffer, visit: (item: unknown) => void): void {
  const items = JSON.parse(content.toString()) as unknown;
  if (!Array.isArray(items)) throw new Error('the content is not a list');
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      visit(item);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
