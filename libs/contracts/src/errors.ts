import { z } from 'zod';

/**
 * The table of error codes for both interfaces (docs/protocol.md, section 1). `retry`: the same call may succeed later.
 * Codes are part of the protocol; texts are not.
 */
export const errorTable = {
  invalid: { status: 400, retry: false, title: 'The input breaks its schema' },
  unauthenticated: { status: 401, retry: false, title: 'No token, or a bad, expired or revoked one' },
  forbidden: { status: 403, retry: false, title: 'Not allowed' },
  muted: { status: 403, retry: false, title: 'Muted in this conversation' },
  banned: { status: 403, retry: false, title: 'Banned from this conversation' },
  blocked: { status: 403, retry: false, title: 'One of the two blocked the other' },
  reaction_gate: { status: 403, retry: false, title: 'The previous message has too few reactions from others' },
  not_found: { status: 404, retry: false, title: 'No such thing, or not visible to the caller' },
  conflict: { status: 409, retry: false, title: 'Taken, or the state moved on' },
  too_large: { status: 413, retry: false, title: 'Over its limit' },
  unsupported_media: { status: 415, retry: false, title: 'Content of a kind that is not allowed' },
  slow_mode: { status: 429, retry: true, title: 'Slow mode' },
  rate_limited: { status: 429, retry: true, title: 'Too many calls' },
  unavailable: { status: 503, retry: true, title: 'A part did not answer in time; the same call is safe to repeat' },
  internal: { status: 500, retry: true, title: 'A defect' },
} as const satisfies Record<string, { status: number; retry: boolean; title: string }>;

/** A code of {@link errorTable}. Clients decide by the code, never by the text. */
export type ErrorCode = keyof typeof errorTable;
/** All codes, in the order of {@link errorTable}. */
export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

/**
 * An error as it is sent: in socket answers, HTTP bodies and answers between services. `retryAfterMs`: milliseconds
 * until a repetition can succeed. `traceId` finds the call in logs. `details` depend on the code: see {@link
 * ErrorExtras}.
 */
export const ErrorBody = z.object({
  code: z.enum(errorCodes),
  message: z.string(),
  details: z.unknown().optional(),
  retryAfterMs: z.number().int().nonnegative().optional(),
  traceId: z.string().optional(),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

/** The optional parts of a {@link ChatError}. */
export interface ErrorExtras {
  /** For `invalid`: `{path, message}[]`, by default made of the message. For `reaction_gate`: `{needed, have}`. */
  details?: unknown;
  /** Milliseconds until the same call can succeed; rounded up. For `rate_limited` and `slow_mode`. */
  retryAfterMs?: number;
  /** The id of the call in logs and spans. */
  traceId?: string;
  /** The underlying error, for logs. It is not sent. */
  cause?: unknown;
}

/**
 * An error that the caller may see. Every other error is a defect and becomes `internal`. The broker carries it as
 * {@link ErrorBody} and throws a ChatError in the requesting service.
 */
export class ChatError extends Error {
  override readonly name = 'ChatError';
  readonly code: ErrorCode;
  readonly details?: unknown;
  readonly retryAfterMs?: number;
  readonly traceId?: string;

  /** @param message For people, not for programs. Default: the title of the code. */
  constructor(code: ErrorCode, message?: string, extras: ErrorExtras = {}) {
    super(message ?? errorTable[code].title, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    if (extras.details !== undefined) this.details = extras.details;
    else if (code === 'invalid') this.details = [{ path: '', message: this.message }];
    if (extras.retryAfterMs !== undefined) this.retryAfterMs = Math.ceil(extras.retryAfterMs);
    if (extras.traceId !== undefined) this.traceId = extras.traceId;
  }

  /** The HTTP status of the code. */
  get status(): number {
    return errorTable[this.code].status;
  }

  /** The error as it is sent. Its cause and its stack stay here. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.details === undefined ? {} : { details: this.details }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.traceId === undefined ? {} : { traceId: this.traceId }),
    };
  }

  /** The error that {@link toBody} of another process described. */
  static fromBody(body: ErrorBody): ChatError {
    const { code, message, ...extras } = body;
    return new ChatError(code, message, {
      ...(extras.details === undefined ? {} : { details: extras.details }),
      ...(extras.retryAfterMs === undefined ? {} : { retryAfterMs: extras.retryAfterMs }),
      ...(extras.traceId === undefined ? {} : { traceId: extras.traceId }),
    });
  }
}

/**
 * Parses untrusted input. Throws `ChatError('invalid')` with every `{path, message}`, or `too_large` if all issues are
 * marked so (`params: {code: 'too_large'}`).
 */
export function parseInput<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const details = result.error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'unknown field' }));
    }
    return [{ path: path.join('.'), message: issue.message }];
  });
  const isTooLarge = result.error.issues.every(
    (issue) => issue.code === 'custom' && issue.params?.['code'] === 'too_large',
  );
  const summary = details.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  throw new ChatError(isTooLarge ? 'too_large' : 'invalid', summary.slice(0, 500), { details: details.slice(0, 20) });
}
