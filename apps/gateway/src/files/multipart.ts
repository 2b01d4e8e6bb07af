import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ChatError } from '@parley/contracts';
import busboy from 'busboy';
import { fileName } from './file-headers.js';

const invalid = (reason: string): ChatError => new ChatError('invalid', reason);

/**
 * Streams the one part `file` of a multipart request to `path` and returns the file's name. Rejects with `invalid` when
 * the request contains anything else and with `too_large` when the file is larger than `maxBytes`; it then still reads
 * the rest, so that the client gets the answer. The caller removes the file at `path`.
 */
export async function receiveFile(request: IncomingMessage, path: string, maxBytes: number): Promise<string> {
  const parser = parserOf(request, maxBytes);
  const received = Promise.withResolvers<string>();
  let name: string | undefined;
  let writing: Promise<void> = Promise.resolve();
  parser.on('file', (field, stream, { filename = '' }: { readonly filename?: string }) => {
    if (field !== 'file' || name !== undefined) {
      stream.resume();
      return received.reject(invalid('file: the only part, once'));
    }
    // Browsers escape only what would end the name: a quotation mark and line breaks.
    name = fileName(filename.replace(/%22/g, '"').replace(/%0[AD]/gi, ''));
    stream.once('limit', () => received.reject(new ChatError('too_large')));
    writing = pipeline(stream, createWriteStream(path, { flags: 'wx' }));
    writing.catch(received.reject);
  });
  parser.on('field', () => received.reject(invalid('file: the only part, and a file')));
  parser.on('error', () => received.reject(invalid('the multipart body cannot be read')));
  parser.on(
    'close',
    () =>
      void writing.then(
        () => (name === undefined ? received.reject(invalid('file: is missing')) : received.resolve(name)),
        received.reject,
      ),
  );
  request.once('close', () => request.complete || received.reject(invalid('the upload was cut off')));
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

function parserOf({ headers }: IncomingMessage, maxBytes: number): busboy.Busboy {
  if (!headers['content-type']?.startsWith('multipart/form-data'))
    throw invalid('the body must be multipart/form-data');
  try {
    // One more byte, because busboy reports a file of exactly its limit as too large.
    return busboy({
      headers,
      defParamCharset: 'utf8',
      limits: { fileSize: maxBytes + 1, fieldSize: 1024, fields: 1, files: 2, parts: 2, headerPairs: 50 },
    });
  } catch {
    throw invalid('the multipart body cannot be read');
  }
}
