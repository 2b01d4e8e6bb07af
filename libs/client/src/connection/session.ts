import type { Session } from '@parley/contracts';
import { ParleyError } from '../errors.js';
import { send, type RequestOptions } from './http.js';
import type { ClientStorage } from '../storage.js';

const KEY = 'session';

/**
 * The session: in memory, and in the storage, where other tabs find it. Access tokens are used until the server refuses them, so a wrong clock does no harm.
 *
 * A refresh token is good once, and a second use ends the session. So there is one refresh at a time among all who share the storage; whoever waited takes over what the first one got; and
 * before the token is sent, a request without it must have found the server. Where the answer is lost all the same, nobody can know whether the token was spent: it is sent again,
 * because not sending it would lose the session for certain.
 */
export class SessionKeeper {
  current: Session | undefined;
  private refreshing: Promise<Session | undefined> | undefined;

  constructor(
    private readonly url: string,
    private readonly storage: ClientStorage,
    /** The session has ended: the server says so, or another tab signed out. */
    private readonly onEnd: () => void,
    private readonly onRefresh: (session: Session) => void,
  ) {}

  /** What is in the storage. */
  async restore(): Promise<Session | undefined> {
    return (this.current = (await this.storage.get(KEY)) as Session | undefined);
  }

  async adopt(session: Session): Promise<void> {
    this.current = session;
    await this.storage.set(KEY, session);
  }

  /** Forgets the session, also in the storage, unless another one is there by now. */
  async clear(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    const stored = (await this.storage.get(KEY)) as Session | undefined;
    if (stored?.sessionId === current?.sessionId) await this.storage.delete(KEY);
  }

  /** A request with the session's token; one that is refused is refreshed once, and the request repeated. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const token = this.current?.accessToken;
    try {
      return await this.open(method, path, options, token);
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'unauthenticated' || token === undefined) throw error;
      const next = await this.refresh(token);
      if (!next) throw error;
      return this.open(method, path, options, next.accessToken);
    }
  }

  /** A request without the session, or with the token given. */
  open(method: string, path: string, options: RequestOptions = {}, token?: string): Promise<Response> {
    return send(new URL(path.startsWith('/') ? `/api/v1${path}` : path, this.url), method, options, token);
  }

  /** Exchanges the refresh token, unless that was done since `refused` was the access token. Undefined when the session has ended. Rejects with `unavailable` when the server cannot be reached. */
  refresh(refused: string): Promise<Session | undefined> {
    if (this.current?.accessToken !== refused) return Promise.resolve(this.current);
    return (this.refreshing ??= this.storage
      .lock('refresh', () => this.exchange(refused))
      .finally(() => (this.refreshing = undefined)));
  }

  private async exchange(refused: string): Promise<Session | undefined> {
    const stored = (await this.storage.get(KEY)) as Session | undefined;
    // Somebody signed out, or in, or refreshed, while this waited for the lock.
    if (stored === undefined || !stored.refreshToken || stored.user.id !== this.current?.user.id)
      return this.end(refused);
    if (stored.accessToken !== refused) return this.take(stored);
    await send(new URL('/health/live', this.url), 'GET', {});
    try {
      const session = (await (
        await this.open('POST', '/auth/refresh', { body: { refreshToken: stored.refreshToken } })
      ).json()) as Session;
      await this.storage.set(KEY, session);
      return this.take(session);
    } catch (error) {
      if (error instanceof ParleyError && (error.code === 'unauthenticated' || error.code === 'invalid'))
        return this.end(refused);
      throw error;
    }
  }

  private take(session: Session): Session {
    this.current = session;
    this.onRefresh(session);
    return session;
  }

  private async end(refused: string): Promise<undefined> {
    // Signed out, or in again, meanwhile.
    if (this.current?.accessToken !== refused) return;
    await this.clear();
    this.onEnd();
  }
}
