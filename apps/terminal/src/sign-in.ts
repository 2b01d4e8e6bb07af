import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { ParleyError, type ParleyClient } from '@parley/client';
import { password as givenPassword } from './environment.js';
import { UsageError } from './errors.js';
import type { Options } from './options.js';
import type { Profile } from './profile.js';

const CONNECT_TIMEOUT_MS = 4_000;

/**
 * Continues the kept session, or begins one. Resolves when the client is online; with a kept session also when the
 * server cannot be reached, because the user can read and write nevertheless. Rejects with a ParleyError, or with a
 * {@link UsageError} if a password is needed and there is no terminal to ask for it.
 */
export async function signIn(
  client: ParleyClient,
  { who }: Profile,
  { register }: Pick<Options, 'register'>,
): Promise<void> {
  const restored = await client.restore();
  if (restored && (await connectionSettled(client)) !== 'signed-out') return;
  if (who.kind === 'guest') await client.guest(who.name === '' ? {} : { displayName: who.name });
  else await logIn(client, who.name, register);
  if ((await connectionSettled(client)) === 'signed-out')
    throw new ParleyError('unauthenticated', 'the server ended the session');
}

async function logIn(client: ParleyClient, username: string, register: boolean): Promise<void> {
  const password = givenPassword ?? (await askSecretly(`Password of ${username}: `));
  if (register) await client.register({ username, password });
  else await client.login({ username, password, deviceName: 'terminal' });
}

/** Resolves with the connection's state when it is online or signed out, and after some seconds in any case. */
function connectionSettled(client: ParleyClient): Promise<string> {
  const isSettled = () => ['online', 'signed-out'].includes(client.getState().connection);
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop();
      resolve(client.getState().connection);
    };
    const timer = setTimeout(end, CONNECT_TIMEOUT_MS);
    const stop = client.subscribe(() => isSettled() && end());
    if (isSettled()) end();
  });
}

/** Asks for a line without showing what is typed. */
async function askSecretly(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('there is no terminal to ask for the password: set PARLEY_PASSWORD');
  const discard = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: discard, terminal: true });
  process.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('SIGINT', () => reject(new UsageError('no password')));
      lines.once('close', () => reject(new UsageError('no password')));
      lines.question('').then(resolve, reject);
    });
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
