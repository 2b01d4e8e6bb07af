import type { Session } from '#contracts';
import { ParleyError } from '../errors.js';
import { send, type RequestOptions } from './http.js';
import type { ClientStorage } from '../storage.js';

const KEY = 'session';

/**
 * The session, in memory and in the storage, where other tabs find it. Access tokens are used until the server refuses
 * them, so a wrong clock does no harm.
 *
 * A refresh token can be used once; a second use ends the session. Therefore one tab at a time refreshes, and the tabs
 * that waited take over its result. First a request without the token must succeed, to show that the server is
 * reachable. If the answer is lost nevertheless, nobody can know whether the token is spent: it is sent again, because
 * not sending it would lose the session for certain.
 */
export class SessionKeeper {
  current: Session | undefined;
  private refreshing: Promise<Session | undefined> | undefined;

  constructor(
    private readonly url: string,
    private readonly storage: ClientStorage,
    /** The session has ended: the server ended it, or another tab signed out. */
    private readonly onEnd: () => void,
    private readonly onRefresh: (session: Session) => void,
  ) {}

  /** Loads the session from the storage. */
  async restore(): Promise<Session | undefined> {
    return (this.current = (await this.storage.get(KEY)) as Session | undefined);
  }

  async adopt(session: Session): Promise<void> {
    this.current = session;
    await this.storage.set(KEY, session);
  }

  /** Forgets the session, also in the storage, unless the storage has another one by now. */
  async clear(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    const stored = (await this.storage.get(KEY)) as Session | undefined;
    if (stored?.sessionId === current?.sessionId) await this.storage.delete(KEY);
  }

  /**
   * Makes a request with the session's token. When the server refuses the token, refreshes the session and repeats the
   * request once.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const token = this.current?.accessToken;
    try {
      return await this.open(method, path, options, token);
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== 'unauthenticated' || token === undefined) throw error;
      const refreshed = await this.refresh(token);
      if (!refreshed) throw error;
      return this.open(method, path, options, refreshed.accessToken);
    }
  }

  /**
   * Registers a guest, who keeps everything. The server wants the refresh token too, so other tabs must not exchange it
   * meanwhile.
   */
  async promote(body: object): Promise<Response> {
    const attempt = () =>
      this.storage.lock('refresh', async () => {
        this.current = ((await this.storage.get(KEY)) as Session | undefined) ?? this.current;
        const { refreshToken, accessToken } = this.current ?? {};
        return this.open('POST', '/auth/register', { body: { ...body, refreshToken } }, accessToken);
      });
    try {
      return await attempt();
    } catch (error) {
      const token = this.current?.accessToken;
      if (!(error instanceof ParleyError) || error.code !== 'unauthenticated' || token === undefined) throw error;
      if (!(await this.refresh(token))) throw error;
      return attempt();
    }
  }

  /** Makes a request without the session, or with the given token. */
  open(method: string, path: string, options: RequestOptions = {}, token?: string): Promise<Response> {
    const url = path.startsWith('/') ? `${this.url}/api/v1${path}` : path;
    return send(new URL(url, `${this.url}/`), method, options, token);
  }

  /**
   * Exchanges the refresh token, unless a newer access token than `refused` is known. Resolves with undefined
   * when the session has ended. Rejects with `unavailable` when the server cannot be reached.
   */
  refresh(refused: string): Promise<Session | undefined> {
    if (this.current?.accessToken !== refused) return Promise.resolve(this.current);
    return (this.refreshing ??= this.storage
      .lock('refresh', () => this.exchange(refused))
      .finally(() => (this.refreshing = undefined)));
  }

  private async exchange(refused: string): Promise<Session | undefined> {
    const stored = (await this.storage.get(KEY)) as Session | undefined;
    // Another tab signed out, or in as somebody else, while this one waited for the lock.
    if (stored === undefined || !stored.refreshToken || stored.user.id !== this.current?.user.id)
      return this.end(refused);
    if (stored.accessToken !== refused) return this.use(stored);
    await send(new URL('/health/live', this.url), 'GET', {});
    try {
      const { refreshToken } = stored;
      const response = await this.open('POST', '/auth/refresh', { body: { refreshToken } });
      const session = (await response.json()) as Session;
      await this.storage.set(KEY, session);
      return this.use(session);
    } catch (error) {
      if (error instanceof ParleyError && (error.code === 'unauthenticated' || error.code === 'invalid'))
        return this.end(refused);
      throw error;
    }
  }

  private use(session: Session): Session {
    this.current = session;
    this.onRefresh(session);
    return session;
  }

  private async end(refused: string): Promise<undefined> {
    // Somebody signed out or in meanwhile.
    if (this.current?.accessToken !== refused) return;
    await this.clear();
    this.onEnd();
  }
}
