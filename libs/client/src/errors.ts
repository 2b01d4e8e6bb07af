import type { ErrorBody, ErrorCode } from '@parley/contracts';

/** Codes after which the same call may succeed without being changed. */
const temporary: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'rate_limited', 'slow_mode', 'internal']);

/**
 * What the server refused, or could not be asked. `code` is the contract (see the table in the API's documentation), the text is not. A server that cannot be reached, or does
 * not answer in time, is `unavailable`: what the call asked for may have been done.
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  readonly code: ErrorCode;
  readonly details?: unknown;
  /** Milliseconds after which it is worth trying again. */
  readonly retryAfterMs?: number;
  /** Names the request in the server's logs. */
  readonly traceId?: string;

  constructor(
    code: ErrorCode,
    message: string,
    more: Partial<Pick<ErrorBody, 'details' | 'retryAfterMs' | 'traceId'>> & { cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    if (more.details !== undefined) this.details = more.details;
    if (more.retryAfterMs !== undefined) this.retryAfterMs = more.retryAfterMs;
    if (more.traceId !== undefined) this.traceId = more.traceId;
  }

  /** Whether the same call may succeed later. */
  get temporary(): boolean {
    return temporary.has(this.code);
  }

  /** As it is kept and shown. */
  toBody(): ErrorBody {
    const { code, message, details, retryAfterMs, traceId } = this;
    return {
      code,
      message,
      ...(details !== undefined && { details }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(traceId !== undefined && { traceId }),
    };
  }

  static fromBody({ code, message, ...more }: ErrorBody): ParleyError {
    return new ParleyError(code, message, more as Partial<ErrorBody>);
  }

  /** Whatever was thrown, as one of these. */
  static of(error: unknown): ParleyError {
    if (error instanceof ParleyError) return error;
    return new ParleyError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
