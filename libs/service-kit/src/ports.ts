import { createServer, type Server } from 'node:net';
import { StartError } from './run.js';

/**
 * Listens. Resolves with the port; rejects with a {@link StartError} that names `variable`, the variable of the port,
 * when the address cannot be used.
 */
export async function listen(server: Server, port: number, host: string, variable: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new StartError(`port ${port} is taken by another process; set ${variable} to a free one`);
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new StartError(`cannot listen on ${host}:${port} (${code})`);
    throw error;
  }
  return (server.address() as { port: number }).port;
}

/** Rejects as {@link listen} would; for checking a port before anything else is started. */
export async function requirePort(port: number, host: string, variable: string): Promise<void> {
  const server = createServer();
  await listen(server, port, host, variable);
  await new Promise((resolve) => server.close(resolve));
}
