import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { ParleyError, type ParleyClient } from '@parley/client';
import { password as givenPassword } from './environment.js';
import { UsageError, type Options } from './options.js';
import type { Profile } from './profile.js';

const PATIENCE_MS = 4_000;

/**
 * Goes on with the session that is kept, or makes one. Resolves when the client is online; with a kept session also when the server cannot be reached, for it can be read and written to all the same.
 * Rejects with a ParleyError, or a {@link UsageError} where a password is needed and cannot be asked for.
 */
export async function signIn(
  client: ParleyClient,
  { who }: Profile,
  { register }: Pick<Options, 'register'>,
): Promise<void> {
  const kept = await client.restore();
  if (kept && (await settled(client)) !== 'signed-out') return;
  if (who.kind === 'guest') await client.guest(who.name === '' ? {} : { displayName: who.name });
  else await enter(client, who.name, register);
  if ((await settled(client)) === 'signed-out')
    throw new ParleyError('unauthenticated', 'the server ended the session');
}

async function enter(client: ParleyClient, username: string, register: boolean): Promise<void> {
  const password = givenPassword ?? (await ask(`Password of ${username}: `));
  if (register) await client.register({ username, password });
  else await client.login({ username, password, deviceName: 'terminal' });
}

/** Resolves with the state as soon as it is online or signed out, and with whatever it is after some seconds. */
function settled(client: ParleyClient): Promise<string> {
  const done = () => ['online', 'signed-out'].includes(client.getState().connection);
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop();
      resolve(client.getState().connection);
    };
    const timer = setTimeout(end, PATIENCE_MS);
    const stop = client.subscribe(() => done() && end());
    if (done()) end();
  });
}

/** Without showing what is typed. */
async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError('there is no terminal to ask for the password: set PARLEY_PASSWORD');
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
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
