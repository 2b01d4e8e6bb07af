import type { IncomingMessage, ServerResponse } from 'node:http';

/** Maximum time for a whole body; for uploads of files, maximum idle time. */
const BODY_TIMEOUT_MS = 30_000;
/** Maximum time for the upload of a file. */
const UPLOAD_TIMEOUT_MS = 3_600_000;
/** Maximum time in which a client takes nothing of a file, like a player that is paused. It may ask for the rest again. */
const DOWNLOAD_IDLE_TIMEOUT_MS = 5 * 60_000;
/** Time for which the rest of a body is read after the answer, so that the client reads the answer. */
const LINGER_MS = 5_000;
const filePaths = /^\/api\/v1\/(?:attachments|uploads)(?:[/?]|$)/;

/**
 * Closes connections with unfinished requests. Node has one limit for all requests, which would cut large files off.
 */
export function limitRequestTime(request: IncomingMessage, response: ServerResponse): void {
  const end = () => request.complete || request.socket.destroy();
  const isFile = filePaths.test(request.url ?? '');
  let timer = setTimeout(end, isFile ? UPLOAD_TIMEOUT_MS : BODY_TIMEOUT_MS);
  if (isFile && (request.method === 'GET' || request.method === 'HEAD')) {
    request.setTimeout(DOWNLOAD_IDLE_TIMEOUT_MS);
  } else if (isFile) {
    request.setTimeout(BODY_TIMEOUT_MS, end);
    request.once('end', () => request.setTimeout(0));
  }
  response.once('finish', () => {
    clearTimeout(timer);
    if (!request.complete) timer = setTimeout(end, LINGER_MS);
  });
  request.once('close', () => clearTimeout(timer));
}
