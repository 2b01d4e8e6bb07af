import { ChatError, type ErrorBody } from '@parley/contracts';
import { Unavailable, type Logger } from '@parley/service-kit';

/**
 * What a caller sees of an error. A refusal stays what it is; a dependency that is away is `unavailable`; everything else is a defect:
 * logged, and answered `internal` without its text. Each carries the trace id that the log lines carry.
 */
export function describeError(error: unknown, traceId: string, logger: Logger): ErrorBody {
  if (error instanceof ChatError) return { traceId, ...error.toBody() };
  if (error instanceof Unavailable) return { traceId, ...new ChatError('unavailable').toBody() };
  logger.error({ err: error, traceId }, 'a call failed with a defect');
  return { traceId, ...new ChatError('internal').toBody() };
}
