import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { requirePort, listen } from './ports.js';
import { StartError } from './run.js';

it('a taken port is reported in one line that names its variable', async () => {
  const server = createServer();
  const port = await listen(server, 0, '127.0.0.1', 'PORT');
  await expect(requirePort(port, '127.0.0.1', 'HEALTH_PORT')).rejects.toThrow(
    new StartError(`port ${port} is taken by another process; set HEALTH_PORT to a free one`),
  );
  await new Promise((resolve) => server.close(resolve));
  await requirePort(port, '127.0.0.1', 'PORT');
  await requirePort(port, '127.0.0.1', 'PORT');
});

it('an address that this machine does not have is reported in one line', async () => {
  await expect(requirePort(0, '192.0.2.1', 'PORT')).rejects.toThrow(StartError);
});
