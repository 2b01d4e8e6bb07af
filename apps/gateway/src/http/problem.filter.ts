import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { ChatError, errorTable, type ErrorCode } from '@parley/contracts';
import { Logger, parseTraceparent, traceIdOf, type Trace } from '@parley/service-kit';
import type { NextFunction, Request, Response } from 'express';
import { errorBody } from '../calls/error-body.js';

export const TRACE_HEADER = 'trace-id';
export const traceOf = (response: Response): Trace => (response.locals['trace'] ??= { traceId: traceIdOf() }) as Trace;

/**
 * Gives every request a trace id, for its log lines, answer and problem: from a well-formed `traceparent`, or a new
 * one.
 */
export function traceRequests(request: Request, response: Response, next: NextFunction): void {
  response.locals['trace'] = parseTraceparent(request.headers['traceparent']);
  response.setHeader(TRACE_HEADER, traceOf(response).traceId);
  next();
}

/** Returns every error over HTTP as `application/problem+json` (RFC 9457) with its code and fields. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    // The client is gone, or part of the answer has left already.
    if (response.headersSent || response.destroyed) return void response.end();
    const { code, message, ...more } = errorBody(asChatError(error), traceOf(response).traceId, this.logger);
    const { status } = errorTable[code];
    if (status === 429 || status === 503)
      response.setHeader('retry-after', Math.max(1, Math.ceil((more.retryAfterMs ?? 1000) / 1000)));
    if (status === 401) response.setHeader('www-authenticate', 'Bearer');
    sendProblem(response, code, message, { status, ...more });
  }
}

/** Answers with a problem. `status` replaces the code's own where a protocol has a more specific one. */
export function sendProblem(
  response: Response,
  code: ErrorCode,
  detail: string,
  { status = errorTable[code].status, ...more }: { readonly status?: number } = {},
): void {
  response.status(status).type('application/problem+json');
  response.send(
    JSON.stringify({
      type: `${response.req.baseUrl}/api/docs#error-${code}`,
      title: errorTable[code].title,
      status,
      detail,
      code,
      traceId: traceOf(response).traceId,
      ...more,
    }),
  );
}

/** Translates errors of Express, its parsers and Nest's router into our codes. */
function asChatError(error: unknown): unknown {
  if (error instanceof ChatError || !(error instanceof Error)) return error;
  const status = error instanceof HttpException ? error.getStatus() : (error as { status?: unknown }).status;
  if (status === 404) return new ChatError('not_found', 'no such address');
  if (status === 413) return new ChatError('too_large', 'the body is over its limit');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new ChatError('invalid', 'the request cannot be read');
  return error;
}
