/**
 * Health check of containers: exits with 0 when the process on `HEALTH_PORT` of this machine is ready, and with 1
 * otherwise, within 8 s. It imports nothing else because it runs every few seconds.
 */
import { get } from 'node:http';
import { env } from 'node:process';

const request = get(
  { host: '127.0.0.1', port: env['HEALTH_PORT'] || 9090, path: '/health/ready', timeout: 8_000 },
  ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1),
);
request.on('timeout', () => process.exit(1)).on('error', () => process.exit(1));
