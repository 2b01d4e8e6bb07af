import { EventEmitter } from 'node:events';
import { Client, type ClientConfig, type PoolConfig } from 'pg';
import type { DatabaseHost, DatabaseUrl, TlsFor } from './database-url.js';
import { codeOf, kindOf, reasonOf } from './failures.js';

/** Whether a mode tries TLS, in the order of its tries. */
const tries: Readonly<Record<DatabaseUrl['sslMode'], readonly boolean[]>> = {
  disable: [false],
  allow: [false, true],
  prefer: [true, false],
  require: [true],
  'verify-ca': [true],
  'verify-full': [true],
};
/** The server has no entry for this user, database and kind of connection in its `pg_hba.conf`. */
const NO_ENTRY = '28000';
/** A connection could not be established. */
const NOT_CONNECTED = '08001';

/**
 * The class of a pool's clients that connect as an address says, as libpq does: to the first of its hosts that can be
 * reached and has the wanted role, with TLS where its mode wants it. A host that answers with a refusal (a wrong
 * password, a missing database) ends the attempt. All hosts together take at most `timeoutMs`.
 */
export function clientClass(
  address: DatabaseUrl,
  tlsFor: TlsFor,
  timeoutMs: number,
): NonNullable<PoolConfig['Client']> {
  const { hosts, user, password, database } = address;

  class HostsClient extends EventEmitter {
    query: Client['query'] | undefined;
    processID: unknown;
    release: unknown;
    private client: Client | undefined;
    private ended = false;

    constructor(private readonly settings: ClientConfig) {
      super();
    }

    // The pool reads these two of each client before it keeps it for the next work.
    get _queryable(): unknown {
      return (this.client as unknown as { _queryable: unknown } | undefined)?._queryable;
    }
    get _ending(): unknown {
      return (this.client as unknown as { _ending: unknown } | undefined)?._ending;
    }

    isConnected(): boolean {
      return this.client !== undefined;
    }

    connect(done: (error?: Error) => void): void {
      this.open().then(() => done(), done);
    }

    end(done: () => void = () => undefined): void {
      this.ended = true;
      if (this.client) this.client.end(done);
      else done();
    }

    private async open(): Promise<void> {
      const client = await this.firstUsable();
      if (this.ended) {
        await client.end();
        throw notConnected('the attempt took too long');
      }
      client.on('error', (error) => this.emit('error', error)).on('end', () => this.emit('end'));
      this.client = client;
      this.query = client.query.bind(client) as Client['query'];
      this.processID = (client as unknown as { processID: unknown }).processID;
    }

    private async firstUsable(): Promise<Client> {
      const failures: { host: DatabaseHost; error: unknown }[] = [];
      for (const host of hosts) {
        if (this.ended) break;
        try {
          return await this.connected(host);
        } catch (error) {
          if (kindOf(error) === 'answered' && codeOf(error) !== NOT_CONNECTED) throw error;
          failures.push({ host, error });
        }
      }
      throw failureOf(failures);
    }

    private async connected(host: DatabaseHost): Promise<Client> {
      const [first, second] = tries[address.sslMode];
      try {
        return await this.attempt(host, first!);
      } catch (error) {
        const isAboutTls = kindOf(error) === 'foreign' || codeOf(error) === NO_ENTRY;
        if (second === undefined || !isAboutTls || this.ended) throw error;
        return this.attempt(host, second);
      }
    }

    private async attempt({ host, port }: DatabaseHost, withTls: boolean): Promise<Client> {
      const client = new Client({
        ...this.settings,
        user,
        password,
        database,
        host,
        port,
        ssl: (withTls && tlsFor(host)) || false,
        connectionTimeoutMillis: Math.floor(timeoutMs / hosts.length),
      });
      // A failure is reported by the call under way.
      const ignore = (): void => undefined;
      client.on('error', ignore);
      try {
        await client.connect();
        await requireTarget(client, address.target);
      } catch (error) {
        await client.end().catch(ignore);
        throw error;
      }
      client.removeListener('error', ignore);
      return client;
    }
  }
  return HostsClient as unknown as NonNullable<PoolConfig['Client']>;
}

async function requireTarget(client: Client, target: DatabaseUrl['target']): Promise<void> {
  if (target === 'any') return;
  const { rows } = await client.query<{ standby: boolean; read_only: string }>(
    `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') as read_only`,
  );
  const { standby, read_only } = rows[0]!;
  if (standby) throw notConnected('it is a standby');
  if (target === 'read-write' && read_only === 'on') throw notConnected('it is read-only');
}

const notConnected = (message: string): Error => Object.assign(new Error(message), { code: NOT_CONNECTED });

/** One error for the failures of all hosts, which callers see as an unreachable database. */
function failureOf(failures: readonly { host: DatabaseHost; error: unknown }[]): Error {
  const [only, ...others] = failures;
  if (only && others.length === 0 && only.error instanceof Error && kindOf(only.error) === 'away') return only.error;
  if (only && others.length === 0) return notConnected(reasonOf(only.error));
  const reasons = failures.map(({ host, error }) => `${host.host}:${host.port}: ${reasonOf(error)}`);
  return notConnected(reasons.join('; ') || 'the attempt took too long');
}
