/**
 * The process that examines files, started by `sandbox.ts`. It takes one file at a time and answers it with exactly one
 * result, before which it may report what is known so far.
 */
import { recognise, Refused } from './content.ts';
import type { Reply, Request } from './exchange.ts';

const send = (reply: Reply): void => void process.send?.(reply);

process.on('message', (request: Request) => {
  recognise(request, (content) => send({ kind: 'known', content })).then(
    (content) => send({ kind: 'done', content }),
    (error: Error & { code?: string }) => {
      if (error instanceof Refused) send({ kind: 'refused', reason: error.message });
      else if (error.code === 'ENOENT') send({ kind: 'missing' });
      else send({ kind: 'failed', reason: error.message });
    },
  );
});
process.on('disconnect', () => process.exit());
send({ kind: 'started' });
