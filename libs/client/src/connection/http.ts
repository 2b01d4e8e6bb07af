import type { ErrorBody, ErrorCode } from '@parley/contracts';
import { ParleyError } from '../errors.js';

const TIMEOUT_MS = 15_000;

export interface RequestOptions {
  /** Parameters after the `?`; those that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** An object is sent as JSON; bytes and forms as they are. */
  readonly body?: object | Blob | FormData | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** The longest to wait for the answer's headers, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Makes one HTTP request. Rejects with a ParleyError: the server's, `unavailable` when there is no answer in time; with the signal's reason when that aborts. */
export async function send(
  url: URL,
  method: string,
  { query = {}, body, headers = {}, signal, timeoutMs = TIMEOUT_MS }: RequestOptions,
  token?: string,
): Promise<Response> {
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  const raw = body === undefined || body instanceof Blob || body instanceof FormData || body instanceof Uint8Array;
  const late = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(!raw && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ParleyError('unavailable', 'the server did not answer', { cause: error });
  }
  if (response.ok) return response;
  throw await problemOf(response);
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
};

/** A refusal that is no problem of Parley's comes from a proxy in between. */
async function problemOf(response: Response): Promise<ParleyError> {
  const text = await response.text().catch(() => '');
  let body: Partial<ErrorBody> & { detail?: string; title?: string } = {};
  try {
    body = (JSON.parse(text) as typeof body | null) ?? {};
  } catch {
    // Not JSON: the status has to do.
  }
  const code =
    body.code ??
    codesByStatus[response.status] ??
    (response.status >= 502 && response.status <= 504 ? 'unavailable' : 'internal');
  return new ParleyError(code, body.detail ?? body.title ?? `HTTP ${response.status}`, body);
}
