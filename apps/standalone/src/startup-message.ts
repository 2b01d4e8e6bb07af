import { resolve } from 'node:path';
import { isEmbedded, type StandaloneConfig } from './config.js';

/** The text for a person at the terminal: addresses, mode, data. Names the brokers and databases that are really used. */
export function startupMessage(config: StandaloneConfig, url: string): string {
  const lines: [string, string][] = [
    [
      'Chat',
      `${url}${config.HOST === '127.0.0.1' ? '   (this machine only; HOST=0.0.0.0 lets others in)' : `   (listening on ${config.HOST})`}`,
    ],
    ['Mode', modeOf(config)],
    ['', dependenciesOf(config)],
    ['Data', config.DATABASE_URL === undefined ? resolve(config.DATA_DIR) : 'in Postgres (DATABASE_URL)'],
    ['Docs', `${url}/api/docs`],
    ['Try it', `npm run demo -- --url ${url}`],
    [
      '',
      `curl -X POST ${url}/api/v1/auth/guest -H 'content-type: application/json' -d '{"displayName":"Ann Example"}'`,
    ],
    ['Stop', 'Ctrl-C; the data stay'],
  ];
  return `\nParley is ready.\n\n${lines.map(([label, text]) => `  ${label.padEnd(8)} ${text}\n`).join('')}\n`;
}

const modeOf = (config: StandaloneConfig): string =>
  isEmbedded(config)
    ? 'embedded: all services in one process; no RabbitMQ, no Redis, no Postgres server'
    : 'all services in one process, over servers that the configuration names';

function dependenciesOf({ AMQP_URL, DATABASE_URL, REDIS_URL }: StandaloneConfig): string {
  return [
    AMQP_URL === undefined ? 'in-process broker' : 'RabbitMQ',
    DATABASE_URL === undefined ? 'PGlite (Postgres in WASM)' : 'Postgres',
    REDIS_URL === undefined ? 'connections, presence and rates in memory' : 'Redis',
  ].join(', ');
}
