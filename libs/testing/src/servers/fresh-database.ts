import { Client } from 'pg';

/** An empty database on a server, for one spec file. */
export interface FreshDatabase {
  /** The address, with the account of `serverUrl`. */
  readonly url: string;
  /** Ends its connections and drops it. */
  drop(): Promise<void>;
}

async function once(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Creates an empty database with a unique name. The account of `serverUrl` must be allowed to create databases. */
export async function freshDatabase(serverUrl: string, prefix = 'parley'): Promise<FreshDatabase> {
  const name = `${prefix}_${crypto.randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await once(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => once(serverUrl, `drop database if exists ${name} with (force)`) };
}
