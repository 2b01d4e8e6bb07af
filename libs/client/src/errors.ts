import type { ErrorBody, ErrorCode } from '#contracts';

/** Codes after which the same call, unchanged, may succeed. */
const temporaryCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'unavailable',
  'rate_limited',
  'slow_mode',
  'internal',
]);

/**
 * The server refused a call, or could not be asked. `code` is part of the contract (docs/protocol.md, section 1), the
 * text is not. A server that cannot be reached, or does not answer in time, is `unavailable`: it may have carried out
 * the call.
 */
export class ParleyError extends Error {
  override readonly name = 'ParleyError';
  readonly code: ErrorCode;
  readonly details?: unknown;
  /** Milliseconds to wait before the call is made again. */
  readonly retryAfterMs?: number;
  /** The request's id in the server's logs. */
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
    return temporaryCodes.has(this.code);
  }

  /** The error as a plain object, to be stored. */
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

  /** Converts anything that was thrown. Errors that are not ParleyErrors become `internal`. */
  static of(error: unknown): ParleyError {
    if (error instanceof ParleyError) return error;
    return new ParleyError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
