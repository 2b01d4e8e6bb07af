import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request comes in whole within this time; of a file, something always does. */
const PATIENCE_MS = 30_000;
/** And a file within this. */
const FILE_MS = 3_600_000;
/** Who takes nothing of a file for so long, like a player that stands still, may ask for the rest again. */
const PAUSE_MS = 5 * 60_000;
/** What is still to come of a request that was answered already, so that its client reads the answer. */
const LINGER_MS = 5_000;
const files = /^\/api\/v1\/(?:attachments|uploads)(?:[/?]|$)/;

/** Ends connections whose requests don't come to an end. Node's own limit is one for all, and would cut large files off. */
export function limitTime(request: IncomingMessage, response: ServerResponse): void {
  const end = () => request.complete || request.socket.destroy();
  const file = files.test(request.url ?? '');
  let timer = setTimeout(end, file ? FILE_MS : PATIENCE_MS);
  if (file && (request.method === 'GET' || request.method === 'HEAD')) {
    request.setTimeout(PAUSE_MS);
  } else if (file) {
    request.setTimeout(PATIENCE_MS, end);
    request.once('end', () => request.setTimeout(0));
  }
  response.once('finish', () => {
    clearTimeout(timer);
    if (!request.complete) timer = setTimeout(end, LINGER_MS);
  });
  request.once('close', () => clearTimeout(timer));
}
