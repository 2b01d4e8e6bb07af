import { parseArgs } from 'node:util';
import { listDeadLetters, redrive } from '@parley/broker';
import { env, loadConfig, secret } from '@parley/service-kit';
import { UsageError, type Command, type Say } from './command.js';

const broker = { AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the operator') };

async function list(url: string, say: Say): Promise<number> {
  const groups = Map.groupBy(await listDeadLetters(url), ({ queue, name, reason, detail }) =>
    [queue, name, reason, detail].join('\t'),
  );
  for (const [group, letters] of groups) say(`${letters.length}\t${group}`);
  if (groups.size === 0) say('no dead letters');
  return 0;
}

export const redriveCommand: Command = {
  usage: 'redrive --list | --all | --queue NAME [--limit N]',
  does: 'shows dead letters, and puts them back into the queues they came from (AMQP_URL)',
  async run(args, say) {
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
      throw new UsageError('say --list, --all or --queue NAME');
    if (Number.isNaN(limit)) throw new UsageError('--limit must be a number');
    const { AMQP_URL: url } = loadConfig(broker);
    if (values.list) return list(url, say);
    const { redriven, stuck } = await redrive(url, {
      limit,
      ...(values.queue === undefined ? {} : { queue: values.queue }),
    });
    say(`${redriven} put back${stuck > 0 ? `, ${stuck} stay: their queue is gone` : ''}`);
    return stuck > 0 ? 1 : 0;
  },
};
