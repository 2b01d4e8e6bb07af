/** For containers: ends with code 0 when the process on `HEALTH_PORT` of this machine says that it is ready, and with 1 otherwise, within 4 s. */
import { get } from 'node:http';
import { env, loadConfig } from './config.js';

const { HEALTH_PORT: port } = loadConfig({ HEALTH_PORT: env.port.default(9090) });
const request = get({ host: '127.0.0.1', port, path: '/health/ready', timeout: 4_000 }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1));
request.on('timeout', () => process.exit(1)).on('error', () => process.exit(1));
