import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ChatError } from '@parley/contracts';
import busboy from 'busboy';
import { fileName } from './names.js';

const unreadable = (why: string): ChatError => new ChatError('invalid', why);

/**
 * Writes the one part `file` of a multipart request to `path`, as it comes; answers its name. Refuses with `invalid` what holds anything else, with `too_large` what is over
 * `mostBytes`, and then still reads on, so that the client gets to hear the answer. Whoever asked removes what is at `path`.
 */
export async function receiveFile(request: IncomingMessage, path: string, mostBytes: number): Promise<string> {
  const parser = parserOf(request, mostBytes);
  const received = Promise.withResolvers<string>();
  let name: string | undefined;
  let writing: Promise<void> = Promise.resolve();
  parser.on('file', (field, stream, { filename }) => {
    if (field !== 'file' || name !== undefined) {
      stream.resume();
      return received.reject(unreadable('file: the only part, once'));
    }
    name = fileName(filename);
    stream.once('limit', () => received.reject(new ChatError('too_large')));
    writing = pipeline(stream, createWriteStream(path, { flags: 'wx' }));
    writing.catch(received.reject);
  });
  parser.on('field', () => received.reject(unreadable('file: the only part, and a file')));
  parser.on('error', () => received.reject(unreadable('the multipart body cannot be read')));
  parser.on(
    'close',
    () =>
      void writing.then(
        () => (name === undefined ? received.reject(unreadable('file: is missing')) : received.resolve(name)),
        received.reject,
      ),
  );
  request.once('close', () => request.complete || received.reject(unreadable('the upload was cut off')));
  request.pipe(parser);
  try {
    return await received.promise;
  } catch (error) {
    request.unpipe(parser);
    parser.destroy();
    request.resume();
    await writing.catch(() => undefined);
    throw error;
  }
}

function parserOf({ headers }: IncomingMessage, mostBytes: number): busboy.Busboy {
  if (!headers['content-type']?.startsWith('multipart/form-data'))
    throw unreadable('the body must be multipart/form-data');
  try {
    // It stops at its limit, also when nothing follows.
    return busboy({
      headers,
      defParamCharset: 'utf8',
      limits: { fileSize: mostBytes + 1, fieldSize: 1024, fields: 1, files: 2, parts: 2, headerPairs: 50 },
    });
  } catch {
    throw unreadable('the multipart body cannot be read');
  }
}
