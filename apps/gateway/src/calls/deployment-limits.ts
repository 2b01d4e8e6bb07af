import { ChatError, isWithinBytes, type CallName } from '@parley/contracts';
import type { GatewayConfig } from '../config.js';

/**
 * Refuses valid input that is beyond the limits of this deployment, with the codes of input that is beyond those of
 * every deployment.
 */
export function requireWithinLimits(name: CallName, input: unknown, config: GatewayConfig): void {
  const { body, limit, ids, userIds } = input as {
    readonly body?: string;
    readonly limit?: number;
    readonly ids?: readonly string[];
    readonly userIds?: readonly string[];
  };
  if (body !== undefined && !isWithinBytes(body, config.LIMIT_BODY_BYTES))
    throw refusal('too_large', 'body', `must be at most ${config.LIMIT_BODY_BYTES} bytes`);
  if (limit !== undefined && limit > config.LIMIT_PAGE_SIZE)
    throw refusal('invalid', 'limit', `must be at most ${config.LIMIT_PAGE_SIZE}`);
  if (ids !== undefined && ids.length > config.LIMIT_PAGE_SIZE)
    throw refusal('invalid', 'ids', `must be at most ${config.LIMIT_PAGE_SIZE}`);
  if (name === 'presence.get' && userIds !== undefined && userIds.length > config.LIMIT_PRESENCE_WATCHES)
    throw refusal('invalid', 'userIds', `must be at most ${config.LIMIT_PRESENCE_WATCHES}`);
}

const refusal = (code: 'invalid' | 'too_large', path: string, message: string): ChatError =>
  new ChatError(code, `${path}: ${message}`, { details: [{ path, message }] });
