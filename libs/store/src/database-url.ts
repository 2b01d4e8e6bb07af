import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP, isIPv6 } from 'node:net';
import { checkServerIdentity, createSecureContext, getCACertificates, type ConnectionOptions } from 'node:tls';
import { StartError } from '@parley/service-kit';
import { z } from 'zod';

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
const targets = ['any', 'read-write', 'primary'] as const;
type SslMode = (typeof sslModes)[number];
const parameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'target_session_attrs', 'pgbouncer'] as const;
type Parameter = (typeof parameters)[number];
/** Names of other drivers' parameters, which an error may repeat: any other text may be a part of a password. */
const foreign = new Set(
  [
    'ssl sslnegotiation sslcrl sslpassword sslsni requiressl gssencmode channel_binding require_auth host hostaddr port',
    'user password dbname schema options application_name connect_timeout client_encoding keepalives service passfile',
    'load_balance_hosts uselibpqcompat connection_limit pool_timeout pool_mode statement_timeout',
  ].flatMap((names) => names.split(' ')),
);
const MAX_HOSTS = 10;

/** One server of a {@link DatabaseUrl}. */
export interface DatabaseHost {
  /** A name or an address, without brackets; or a folder of Unix sockets, which begins with a slash. */
  readonly host: string;
  readonly port: number;
}

/** The parts of a `DATABASE_URL`. */
export interface DatabaseUrl {
  /** In the order in which a connection tries them. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** As libpq means it; without `sslmode` it is `disable`. */
  readonly sslMode: SslMode;
  /** The server that a connection wants: one that takes writes, one that is no standby, or any. */
  readonly target: (typeof targets)[number];
  /** Whether PgBouncer, in transaction mode, stands in front of the server: see {@link PostgresOptions}. */
  readonly isPooled: boolean;
  /** Hosts, ports and database, for people. */
  readonly title: string;
  readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Why a text is no `DATABASE_URL`, in words for operators, without any part that may be secret. */
class UrlProblem extends Error {
  override readonly name = 'UrlProblem';
}

/**
 * Parses `postgres://user:password@host:port,host:port/database?sslmode=…`. Throws a `StartError` in words for
 * operators, which never contains the password. Parameters that are not known are refused: one that protects the
 * connection must not be dropped silently.
 */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  try {
    return parse(url);
  } catch (error) {
    if (error instanceof UrlProblem) throw new StartError(`the address of the database ${error.message}`);
    throw error;
  }
}

/** The schema of a variable with such an address. */
export const databaseUrl = z.string().superRefine((url, context) => {
  try {
    parse(url);
    if (/^postgres(?:ql)?:\/\/(?:[^/?#]*@)?(?:[/?:,]|$)/.test(url))
      throw new UrlProblem('has no host: name one, such as localhost');
  } catch (error) {
    if (!(error instanceof UrlProblem)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

/** What is wrong with the files that an address names, in words for operators. */
export async function problemOfFiles(url: string): Promise<string | undefined> {
  try {
    await tlsOf(parse(url));
    return undefined;
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
}

/** The same address for another account. */
export function withAccount(url: string, user: string, password: string): string {
  parseDatabaseUrl(url);
  const [, scheme, , rest] = SHAPE.exec(url)!;
  return `${scheme}${encodeURIComponent(user)}:${encodeURIComponent(password)}@${rest}`;
}

const SHAPE = /^(postgres(?:ql)?:\/\/)(?:([^/?#]*)@)?([^@/?#]*(?:[/?][^#]*)?)$/;

function parse(url: string): DatabaseUrl {
  if (/\s/.test(url)) throw new UrlProblem('has white space: write a space in a name or password as %20');
  if (!/^postgres(ql)?:\/\//.test(url)) throw new UrlProblem('must begin with postgres:// or postgresql://');
  const [, , account, rest] = SHAPE.exec(url) ?? [];
  if (rest === undefined)
    throw new UrlProblem('cannot be read: write / ? # @ in a name or password as %2F %3F %23 %40');
  const [, hostList, path, query] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(rest)!;
  const [user, ...password] = account?.split(':') ?? [];
  const hosts = hostList!.split(',').map(parseHost);
  if (hosts.length > MAX_HOSTS) throw new UrlProblem(`names more than ${MAX_HOSTS} hosts`);
  const given = parseQuery(query ?? '');
  const database = decoded(path ?? '') || undefined;
  const sslMode = oneOf(sslModes, 'sslmode', given.get('sslmode') ?? 'disable');
  return {
    hosts,
    user: decoded(user ?? '') || undefined,
    password: decoded(password.join(':')) || undefined,
    database,
    sslMode,
    target: oneOf(targets, 'target_session_attrs', given.get('target_session_attrs') ?? 'any'),
    isPooled: oneOf(['true', 'false'], 'pgbouncer', given.get('pgbouncer') ?? 'false') === 'true',
    title: `${hosts.map(hostTitle).join(',')}/${database ?? ''}`,
    files: filesOf(given, sslMode),
  };
}

function parseHost(text: string): DatabaseHost {
  const [, address, name, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(text) ?? [];
  if (address === undefined && name === undefined)
    throw new UrlProblem('has a host that cannot be read: host:port, and an IPv6 address in brackets, [::1]:5432');
  if (address !== undefined && !isIPv6(decoded(address)))
    throw new UrlProblem('has something else than an IPv6 address in brackets');
  const number = port === undefined || port === '' ? 5432 : Number(port);
  if (number < 1 || number > 65_535) throw new UrlProblem('has a port that is not between 1 and 65535');
  return { host: decoded(address ?? name ?? '') || 'localhost', port: number };
}

const hostTitle = ({ host, port }: DatabaseHost): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

function parseQuery(query: string): ReadonlyMap<Parameter, string> {
  const given = new Map<Parameter, string>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [name, ...value] = pair.split('=');
    const parameter = parameters.find((candidate) => candidate === name);
    if (parameter === undefined)
      throw new UrlProblem(
        `has the parameter ${foreign.has(name!) ? name : 'of another name'}, which Parley does not know: it knows ${parameters.join(', ')}`,
      );
    if (given.has(parameter)) throw new UrlProblem(`has ${parameter} twice`);
    given.set(parameter, decoded(value.join('=')));
  }
  return given;
}

function filesOf(given: ReadonlyMap<Parameter, string>, sslMode: SslMode): DatabaseUrl['files'] {
  const [ca, cert, key] = [given.get('sslrootcert'), given.get('sslcert'), given.get('sslkey')];
  if (sslMode.startsWith('verify-') && !ca)
    throw new UrlProblem(
      `has sslmode=${sslMode} and needs sslrootcert: the file of the authority’s certificate, or system for those that this machine trusts (with verify-full)`,
    );
  if (ca === 'system' && sslMode !== 'verify-full')
    throw new UrlProblem(
      'has sslrootcert=system, which is for sslmode=verify-full only: public authorities sign for everybody',
    );
  if ((cert === undefined) !== (key === undefined)) throw new UrlProblem('needs both sslcert and sslkey, or none');
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function oneOf<T extends string>(values: readonly T[], name: string, value: string): T {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined) throw new UrlProblem(`has a ${name} that is none of ${values.join(', ')}`);
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UrlProblem('has a % that begins no code: write % as %25');
  }
}

/** TLS for a connection to `host`, or none. */
export type TlsFor = (host: string) => ConnectionOptions | undefined;

/**
 * Reads the files of an address, and returns its TLS for each host. As with libpq, an authority's certificate makes
 * every mode check the server's, and only `verify-full` checks its name. Throws a `StartError` when a file cannot be
 * read or used.
 */
export async function tlsOf({ files, sslMode }: DatabaseUrl): Promise<TlsFor> {
  if (sslMode === 'disable') return () => undefined;
  const read = async (name: Parameter, path: string | undefined): Promise<string | undefined> =>
    path === undefined
      ? undefined
      : readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
          throw new StartError(
            `the file ${path} of ${name} in the address of the database cannot be read (${error.code})`,
          );
        });
  const ca = files.ca === 'system' ? getCACertificates('system') : await read('sslrootcert', files.ca);
  const [cert, key] = [await read('sslcert', files.cert), await read('sslkey', files.key)];
  const secrets = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  try {
    // TLS takes a file without a certificate as one that trusts nobody.
    if (typeof ca === 'string') void new X509Certificate(ca);
    createSecureContext(secrets);
  } catch (error) {
    throw new StartError(`the certificates in the address of the database cannot be used: ${(error as Error).message}`);
  }
  return (host) => {
    if (host.startsWith('/')) return undefined;
    return {
      ...secrets,
      rejectUnauthorized: ca !== undefined,
      checkServerIdentity: (_, certificate) =>
        sslMode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
    };
  };
}
