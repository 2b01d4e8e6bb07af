import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below the ports that operating systems choose for outgoing connections and for port 0: one of those could be taken
// before the server starts.
const first = 10_000;
const last = 32_000;

/** A random free port of 127.0.0.1, for a server that starts later. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(first, last);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${first} and ${last}`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      code === 'EADDRINUSE' || code === 'EACCES'
        ? resolve(false)
        : reject(new Error(`cannot listen on 127.0.0.1: ${code}`)),
    );
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
