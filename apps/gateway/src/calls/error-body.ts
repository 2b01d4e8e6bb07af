import { ChatError, type ErrorBody } from '@parley/contracts';
import { Unavailable, type Logger } from '@parley/service-kit';

/**
 * An error as the caller sees it. A `ChatError` stays as it is; a dependency that is away becomes `unavailable`; anything else is a defect, which is logged and answered `internal` without its text. Each
 * carries the trace id that the log lines carry.
 */
export function errorBody(error: unknown, traceId: string, logger: Logger): ErrorBody {
  if (error instanceof ChatError) return { traceId, ...error.toBody() };
  if (error instanceof Unavailable) return { traceId, ...new ChatError('unavailable').toBody() };
  logger.error({ err: error, traceId }, 'a call failed with a defect');
  return { traceId, ...new ChatError('internal').toBody() };
}
