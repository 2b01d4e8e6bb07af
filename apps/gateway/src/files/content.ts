import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ChatError } from '@parley/contracts';
import { fileTypeFromFile } from 'file-type';
import { parseFile, type IAudioMetadata } from 'music-metadata';
import sharp from 'sharp';

/** Properties recognised from content. */
export interface Content {
  readonly mediaType: string;
  readonly width?: number;
  readonly height?: number;
  readonly durationMs?: number;
  readonly thumbnail?: Thumbnail;
}
/** A preview in WebP at the picture's {@link previewPath}. The caller removes it. */
export interface Thumbnail {
  readonly path: string;
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

/** The path to which a picture's preview is written. */
export const previewPath = (path: string): string => `${path}.preview`;

/** Larger pictures are not decoded. */
const MAX_PIXELS = 100_000_000;
const THUMBNAIL_PX = 320;
const DECODE_TIMEOUT_S = 10;
const PARSE_TIMEOUT_MS = 5_000;
/** Files up to this size are read to their end if only that gives their duration. */
const MAX_SCANNED_BYTES = 64 * 1024 * 1024;
/** The column is an integer. */
const MAX_DURATION_MS = 0x7fffffff;

/** Media types as file-type names them, and as we do. */
const images: Readonly<Record<string, string>> = {
  'image/png': 'image/png',
  'image/apng': 'image/png',
  'image/jpeg': 'image/jpeg',
  'image/gif': 'image/gif',
  'image/webp': 'image/webp',
  'image/avif': 'image/avif',
};
const recordings: Readonly<Record<string, string>> = {
  'video/mp4': 'video/mp4',
  'video/x-m4v': 'video/mp4',
  'video/webm': 'video/webm',
  'audio/mpeg': 'audio/mpeg',
  'audio/mp4': 'audio/mp4',
  'audio/x-m4a': 'audio/mp4',
  'audio/ogg': 'audio/ogg',
  'audio/ogg; codecs=opus': 'audio/ogg',
  'video/ogg': 'video/ogg',
  'audio/wav': 'audio/wav',
};
const office = 'application/vnd.openxmlformats-officedocument';
const documents: ReadonlySet<string> = new Set([
  'application/pdf',
  'application/zip',
  'application/x-cfb',
  `${office}.wordprocessingml.document`,
  `${office}.spreadsheetml.sheet`,
  `${office}.presentationml.presentation`,
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
]);
/** The older office formats share one container. Which of them a file has does not matter for safety, so its name may tell. */
const olderOffice: Readonly<Record<string, string>> = {
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  ppt: 'application/vnd.ms-powerpoint',
};

/**
 * Recognises a local file by its content; the name only tells older office formats apart. Rejects with `unsupported_media` when the kind is not allowed or a picture cannot be decoded. Details that a
 * recording does not state stay absent.
 */
export async function recognise(path: string, name: string): Promise<Content> {
  const found = (await fileTypeFromFile(path).catch(() => undefined))?.mime ?? '';
  const [image, medium] = [images[found], recordings[found]];
  if (image !== undefined) return inTurn(() => picture(path, image));
  if (medium !== undefined) return recording(path, medium);
  if (documents.has(found))
    return { mediaType: found === 'application/x-cfb' ? (olderOffice[extensionOf(name)] ?? found) : found };
  if (await isPlainText(path)) return { mediaType: 'text/plain; charset=utf-8' };
  throw new ChatError('unsupported_media');
}

const extensionOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1).toLowerCase();

// A picture is seldom decoded twice.
sharp.cache(false);
sharp.concurrency(1);
/** Two pictures are decoded at a time, because each may take some hundred megabytes. */
const turns: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = turns.shift()!.then(work);
  turns.push(done.catch(() => undefined));
  return done;
}

async function picture(path: string, mediaType: string): Promise<Content> {
  try {
    const options = { limitInputPixels: MAX_PIXELS, failOn: 'error' as const };
    const { autoOrient } = await sharp(path, options).metadata();
    const preview = previewPath(path);
    const { size, width, height } = await sharp(path, options)
      .autoOrient()
      .resize(THUMBNAIL_PX, THUMBNAIL_PX, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 75 })
      .timeout({ seconds: DECODE_TIMEOUT_S })
      .toFile(preview);
    return { mediaType, ...autoOrient, thumbnail: { path: preview, size, width, height } };
  } catch (error) {
    throw new ChatError('unsupported_media', 'The picture cannot be decoded', { cause: error });
  }
}

async function recording(path: string, mediaType: string): Promise<Content> {
  const { size } = await stat(path);
  const parsed = parseFile(path, { duration: size <= MAX_SCANNED_BYTES, skipCovers: true }).catch(() => undefined);
  const metadata = await Promise.race([parsed, delay(PARSE_TIMEOUT_MS, undefined, { ref: false })]);
  if (!metadata) return { mediaType };
  const { duration = 0 } = metadata.format;
  const durationMs = Math.round(duration * 1000);
  return {
    mediaType: isSoundOnly(metadata) ? mediaType.replace('video/', 'audio/') : mediaType,
    ...(durationMs > 0 && durationMs <= MAX_DURATION_MS && { durationMs }),
  };
}

/** Voice messages may come in a container for films. */
const isSoundOnly = ({ format: { hasAudio, hasVideo } }: IAudioMetadata): boolean =>
  hasAudio === true && hasVideo === false;

/** The beginning of documents that a browser would run. Such a text is refused. */
const markup = /^\s*<(?:!--|(?:!doctype|html|head|body|script|iframe|svg|\?xml)\b)/i;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u0008\u000e-\u001f\u007f]/;

async function isPlainText(path: string): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let begun = false;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      const text = decoder.decode(chunk, { stream: true });
      if (control.test(text) || (!begun && markup.test(text))) return false;
      begun = true;
    }
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
