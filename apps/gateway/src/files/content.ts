import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ChatError } from '@parley/contracts';
import { fileTypeFromFile } from 'file-type';
import { parseFile, type IAudioMetadata } from 'music-metadata';
import sharp from 'sharp';

/** What a file is, as its bytes say. */
export interface Content {
  readonly mediaType: string;
  readonly width?: number;
  readonly height?: number;
  readonly durationMs?: number;
  readonly thumbnail?: Thumbnail;
}
/** A WebP file at the picture's {@link previewPath}; whoever asked removes it. */
export interface Thumbnail {
  readonly path: string;
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

/** Where a picture's preview is written. */
export const previewPath = (path: string): string => `${path}.preview`;

/** Pixels of a picture that is decoded. */
const MOST_PIXELS = 100_000_000;
const THUMBNAIL_PX = 320;
const DECODE_S = 10;
const PARSE_MS = 5_000;
/** Files up to this size are read to their end where nothing else tells how long they play. */
const READ_THROUGH_BYTES = 64 * 1024 * 1024;
const MOST_DURATION_MS = 0x7fffffff;

const images: Readonly<Record<string, string>> = {
  'image/png': 'image/png',
  'image/apng': 'image/png',
  'image/jpeg': 'image/jpeg',
  'image/gif': 'image/gif',
  'image/webp': 'image/webp',
  'image/avif': 'image/avif',
};
const played: Readonly<Record<string, string>> = {
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
/** The older office formats share one container; it does not matter to safety which of them it is. */
const compound: Readonly<Record<string, string>> = {
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  ppt: 'application/vnd.ms-powerpoint',
};

/**
 * Recognises a local file by its content; the name only tells older office formats apart. Refuses with `unsupported_media` what is of no allowed kind, and a picture
 * that cannot be decoded; what a sound or film does not tell stays unknown.
 */
export async function recognise(path: string, name: string): Promise<Content> {
  const found = (await fileTypeFromFile(path).catch(() => undefined))?.mime ?? '';
  const [image, medium] = [images[found], played[found]];
  if (image !== undefined) return inTurn(() => picture(path, image));
  if (medium !== undefined) return recording(path, medium);
  if (documents.has(found))
    return { mediaType: found === 'application/x-cfb' ? (compound[extensionOf(name)] ?? found) : found };
  if (await isPlainText(path)) return { mediaType: 'text/plain; charset=utf-8' };
  throw new ChatError('unsupported_media');
}

const extensionOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1).toLowerCase();

// Pictures are seldom decoded twice.
sharp.cache(false);
sharp.concurrency(1);
/** Two pictures are decoded at a time: each may take some hundred megabytes. */
const turns: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = turns.shift()!.then(work);
  turns.push(done.catch(() => undefined));
  return done;
}

async function picture(path: string, mediaType: string): Promise<Content> {
  try {
    const options = { limitInputPixels: MOST_PIXELS, failOn: 'error' as const };
    const { autoOrient } = await sharp(path, options).metadata();
    const preview = previewPath(path);
    const { size, width, height } = await sharp(path, options)
      .autoOrient()
      .resize(THUMBNAIL_PX, THUMBNAIL_PX, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 75 })
      .timeout({ seconds: DECODE_S })
      .toFile(preview);
    return { mediaType, ...autoOrient, thumbnail: { path: preview, size, width, height } };
  } catch (error) {
    throw new ChatError('unsupported_media', 'The picture cannot be decoded', { cause: error });
  }
}

async function recording(path: string, mediaType: string): Promise<Content> {
  const { size } = await stat(path);
  const parsed = parseFile(path, { duration: size <= READ_THROUGH_BYTES, skipCovers: true }).catch(() => undefined);
  const metadata = await Promise.race([parsed, delay(PARSE_MS, undefined, { ref: false })]);
  if (!metadata) return { mediaType };
  const { duration = 0 } = metadata.format;
  const durationMs = Math.round(duration * 1000);
  return {
    mediaType: soundOnly(metadata) ? mediaType.replace('video/', 'audio/') : mediaType,
    ...(durationMs > 0 && durationMs <= MOST_DURATION_MS && { durationMs }),
  };
}

/** Containers of films hold voice messages too. */
const soundOnly = ({ format: { hasAudio, hasVideo } }: IAudioMetadata): boolean =>
  hasAudio === true && hasVideo === false;

/** How documents begin that a browser would run; in plain text nobody misses them. */
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
