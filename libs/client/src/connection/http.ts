import type { ErrorBody, ErrorCode } from '#contracts';
import { ParleyError } from '../errors.js';

const TIMEOUT_MS = 15_000;

/** Optional arguments of an HTTP request. */
export interface RequestOptions {
  /** Parameters after the `?`. Undefined ones are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** An object is sent as JSON; bytes and forms are sent as they are. */
  readonly body?: object | Blob | FormData | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Maximum time for the whole exchange, in milliseconds. Default: 15 s. */
  readonly timeoutMs?: number;
  /** Whether the request goes on when its page is left, as with `fetch`. */
  readonly keepalive?: boolean;
}

/**
 * Makes one HTTP request. Rejects with the server's error as a ParleyError, with `unavailable` when no answer
 * comes in time, or with the signal's reason when that aborts.
 */
export async function send(
  url: URL,
  method: string,
  { query = {}, body, headers = {}, signal, timeoutMs = TIMEOUT_MS, keepalive }: RequestOptions,
  token?: string,
): Promise<Response> {
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  const isRaw = body === undefined || body instanceof Blob || body instanceof FormData || body instanceof Uint8Array;
  const response = await fetchWithTimeout(url, timeoutMs, signal, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(!isRaw && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(keepalive !== undefined && { keepalive }),
    ...(body !== undefined && { body: isRaw ? (body as BodyInit) : JSON.stringify(body) }),
  });
  if (response.ok) return response;
  throw await errorOf(response);
}

/**
 * Like `fetch` with a signal of `AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])`, which is newer than the
 * browsers and versions of Node that the client supports. Both end the reading of the body too.
 */
async function fetchWithTimeout(
  url: URL,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  init: RequestInit,
): Promise<Response> {
  signal?.throwIfAborted();
  const abort = new AbortController();
  const forward = () => abort.abort(signal?.reason);
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', forward);
    abort.abort(new ParleyError('unavailable', 'the server did not answer in time'));
  }, timeoutMs);
  // In Node, a request that is over must not keep the process running.
  if (typeof timer === 'object') timer.unref();
  signal?.addEventListener('abort', forward, { once: true });
  try {
    return await fetch(url, { ...init, signal: abort.signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ParleyError('unavailable', 'the server did not answer', { cause: error });
  }
}

const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'too_large',
  415: 'unsupported_media',
  429: 'rate_limited',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** A refusal without a code comes from a proxy in between: its status tells the code. */
async function errorOf(response: Response): Promise<ParleyError> {
  const text = await response.text().catch(() => '');
  let body: Partial<ErrorBody> & { detail?: string; title?: string } = {};
  try {
    body = (JSON.parse(text) as typeof body | null) ?? {};
  } catch {
    // Not JSON.
  }
  const code = body.code ?? codesByStatus[response.status] ?? 'internal';
  return new ParleyError(code, body.detail ?? body.title ?? `HTTP ${response.status}`, body);
}
