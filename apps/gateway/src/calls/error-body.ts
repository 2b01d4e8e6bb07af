import { ChatError, type ErrorBody } from '@parley/contracts';
import { Unavailable, type Logger } from '@parley/service-kit';

/**
 * An error as the caller sees it. A `ChatError` stays as it is, an unavailable dependency becomes `unavailable`, and
 * any other error is a defect: it is logged and becomes `internal` without its text. Each has the trace id of the log
 * lines.
 */
export function errorBody(error: unknown, traceId: string, logger: Logger): ErrorBody {
  if (error instanceof ChatError) return { traceId, ...error.toBody() };
  if (error instanceof Unavailable) return { traceId, ...new ChatError('unavailable').toBody() };
  logger.error({ err: error, traceId }, 'a call failed with a defect');
  return { traceId, ...new ChatError('internal').toBody() };
}
