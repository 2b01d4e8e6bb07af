import { parseArgs } from 'node:util';
import { listDeadLetters, redrive } from '@parley/broker';
import { env, loadConfig, secret } from '@parley/service-kit';
import { UsageError, type Command, type Print } from './command.js';

const config = { AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the operator') };

async function list(url: string, print: Print): Promise<number> {
  const groups = Map.groupBy(await listDeadLetters(url), ({ queue, name, reason, detail }) =>
    [queue, name, reason, detail].join('\t'),
  );
  for (const [group, deadLetters] of groups) print(`${deadLetters.length}\t${group}`);
  if (groups.size === 0) print('no dead letters');
  return 0;
}

export const redriveCommand: Command = {
  usage: 'redrive --list | --all | --queue NAME [--limit N]',
  does: 'lists dead letters, or puts them back into the queues they came from (AMQP_URL)',
  async run(args, print) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        list: { type: 'boolean' },
        all: { type: 'boolean' },
        queue: { type: 'string' },
        limit: { type: 'string' },
      },
    });
    const limit = values.limit === undefined ? Infinity : Number(values.limit);
    if (!values.list && !values.all && values.queue === undefined)
      throw new UsageError('use --list, --all or --queue NAME');
    if (Number.isNaN(limit)) throw new UsageError('--limit must be a number');
    const { AMQP_URL: url } = loadConfig(config);
    if (values.list) return list(url, print);
    const { redriven, stuck } = await redrive(url, {
      limit,
      ...(values.queue === undefined ? {} : { queue: values.queue }),
    });
    print(`${redriven} put back${stuck > 0 ? `, ${stuck} not put back: their queue is gone` : ''}`);
    return stuck > 0 ? 1 : 0;
  },
};
