import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connect } from 'amqplib';
import { findProgram } from './programs.js';
import { Folder, LocalHost } from './local-host.js';
import { freePort } from './ports.js';
import { PrivateServer } from './private-server.js';

/** The image of RabbitMQ that tests use. */
export const rabbitImage = 'rabbitmq:4-management';
const credentials = 'guest:guest';

/** The settings of a private RabbitMQ. */
export interface RabbitOptions {
  /** RabbitMQ's `max_message_size`. Its default depends on its version. */
  readonly maxMessageBytes?: number;
}
const maxSizeArgument = ({ maxMessageBytes }: RabbitOptions): string =>
  maxMessageBytes === undefined ? '' : `-rabbit max_message_size ${maxMessageBytes}`;

/** Opens a connection. */
async function probe(url: string): Promise<void> {
  const connection = await connect(url, { timeout: 5_000 });
  await connection.close();
}

/** Starts a private RabbitMQ as a container. `host` reaches its published ports. */
export async function rabbitInDocker(host: string, options: RabbitOptions = {}): Promise<PrivateServer> {
  const [amqp, management] = [await freePort(), await freePort()];
  const ports = new Map([
    [5672, amqp],
    [15_672, management],
  ]);
  const { DockerHost } = await import('./docker-host.js');
  const container = new DockerHost({
    name: rabbitImage,
    env: {
      RABBITMQ_DEFAULT_USER: 'guest',
      RABBITMQ_DEFAULT_PASS: 'guest',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: maxSizeArgument(options),
    },
    ports,
  });
  return PrivateServer.started(
    container,
    `amqp://${credentials}@${host}:${amqp}`,
    probe,
    `http://${credentials}@${host}:${management}`,
  );
}

/** Starts epmd on its own port. Started by a RabbitMQ node, it would become a daemon and outlive the tests. */
function startEpmd(server: string, port: number): LocalHost | undefined {
  const file = [findProgram('rabbitmq', 'epmd'), join(dirname(server), 'epmd')].find(
    (path) => path !== undefined && existsSync(path),
  );
  return file === undefined
    ? undefined
    : new LocalHost(new Folder('epmd'), { file, args: ['-port', String(port), '-address', '127.0.0.1'] }, 'SIGTERM');
}

/** Starts a node that shares no name, folder, cookie or port with another one on this machine. */
export async function rabbitLocally(options: RabbitOptions = {}): Promise<PrivateServer> {
  const file = findProgram('rabbitmq');
  if (file === undefined) throw new Error('rabbitmq-server is not installed');
  const [amqp, management, distribution, epmdPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const folder = new Folder('rabbit');
  const pathOf = (name: string): string => join(folder.path, name);
  await writeFile(
    pathOf('rabbitmq.conf'),
    [
      `listeners.tcp.1 = 127.0.0.1:${amqp}`,
      'management.tcp.ip = 127.0.0.1',
      `management.tcp.port = ${management}`,
      'disk_free_limit.absolute = 50MB',
      'log.console = true',
      'log.console.level = warning',
      'log.file = false',
      '',
    ].join('\n'),
  );
  await writeFile(pathOf('enabled_plugins'), '[rabbitmq_management].\n');
  await writeFile(pathOf('env.conf'), '');
  const env = {
    HOME: folder.path,
    RABBITMQ_HOME: folder.path,
    RABBITMQ_NODENAME: `parley-${randomBytes(4).toString('hex')}@localhost`,
    RABBITMQ_NODE_PORT: String(amqp),
    RABBITMQ_DIST_PORT: String(distribution),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_CONF_ENV_FILE: pathOf('env.conf'),
    RABBITMQ_CONFIG_FILE: pathOf('rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: pathOf('advanced.config'),
    RABBITMQ_GENERATED_CONFIG_DIR: pathOf('generated'),
    RABBITMQ_MNESIA_BASE: pathOf('data'),
    RABBITMQ_LOG_BASE: pathOf('log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: pathOf('pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: pathOf('enabled_plugins'),
    RABBITMQ_FEATURE_FLAGS_FILE: pathOf('feature_flags'),
    // With "input allowed" the start script becomes the server instead of staying its parent, so that signals reach the
    // server.
    RABBITMQ_ALLOW_INPUT: '1',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-noinput +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none ${maxSizeArgument(options)}`,
  };
  const host = new LocalHost(folder, { file, args: [], env }, 'SIGTERM', startEpmd(file, epmdPort));
  return PrivateServer.started(
    host,
    `amqp://${credentials}@127.0.0.1:${amqp}`,
    probe,
    `http://${credentials}@127.0.0.1:${management}`,
  );
}
