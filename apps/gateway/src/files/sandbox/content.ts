import { rename, stat } from 'node:fs/promises';
import { fileTypeFromFile } from 'file-type';
import { parseFile, type IAudioMetadata } from 'music-metadata';
import sharp, { type Metadata } from 'sharp';
import { beginningOf, isExecutable, isMarkup, textTypeOf } from './text.ts';
import { strip } from './metadata.ts';
import { cleanPath, previewPath, turnedPath, UNKNOWN, type Content, type Request, type Thumbnail } from './exchange.ts';

/** The file is of a kind that is never accepted, or a picture that cannot be decoded. */
export class Refused extends Error {}

/** Pictures of this size and above are not decoded. */
const MAX_PIXELS = 100_000_000;
/** Pictures that would take more memory are not decoded. */
const MAX_DECODED_BYTES = 350_000_000;
const THUMBNAIL_PX = 320;
/** The quality of a picture that is turned as its camera was held. */
const TURNED_QUALITY = 92;
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
  'image/heic': 'image/heic',
  'image/heic-sequence': 'image/heic',
  'image/heif': 'image/heif',
  'image/heif-sequence': 'image/heif',
};
const recordings: Readonly<Record<string, string>> = {
  'video/mp4': 'video/mp4',
  'video/x-m4v': 'video/mp4',
  'video/webm': 'video/webm',
  'video/quicktime': 'video/quicktime',
  'audio/mpeg': 'audio/mpeg',
  'audio/mp4': 'audio/mp4',
  'audio/x-m4a': 'audio/mp4',
  'audio/ogg': 'audio/ogg',
  'audio/ogg; codecs=opus': 'audio/ogg',
  'video/ogg': 'video/ogg',
  'audio/wav': 'audio/wav',
  'audio/aac': 'audio/aac',
  'audio/flac': 'audio/flac',
};
const office = 'application/vnd.openxmlformats-officedocument';
const documents: ReadonlySet<string> = new Set([
  'application/pdf',
  'application/zip',
  'application/gzip',
  'application/x-tar',
  'application/x-cfb',
  `${office}.wordprocessingml.document`,
  `${office}.spreadsheetml.sheet`,
  `${office}.presentationml.presentation`,
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
]);
/**
 * The older office formats share one container. Which of them a file has does not matter for safety, so its name may tell.
 */
const olderOffice: Readonly<Record<string, string>> = {
  doc: 'application/msword',
  xls: 'application/vnd.ms-excel',
  ppt: 'application/vnd.ms-powerpoint',
};

/** Reports what is known before work that may take too much time or memory. */
type Report = (content: Content) => void;

/**
 * Recognises a local file by its content; the name only tells older office formats apart. Rejects with {@link Refused}
 * when the kind is never accepted or a picture cannot be decoded. Details that a recording does not state stay absent.
 * Removes metadata from pictures.
 */
export async function recognise({ path, name, output }: Request, report: Report): Promise<Content> {
  const beginning = beginningOf(path);
  if (isMarkup(beginning)) throw new Refused('HTML and SVG are not accepted');
  const textType = textTypeOf(path, beginning.bytes);
  if (!isReadable(textType) && isExecutable(beginning.bytes)) throw new Refused('Programs are not accepted');
  const found = (await fileTypeFromFile(path).catch(() => undefined))?.mime ?? '';
  const [image, medium] = [images[found], recordings[found]];
  if (image !== undefined) return picture(path, output, image, report);
  if (medium !== undefined && textType === undefined) return recording(path, medium, report);
  if (documents.has(found))
    return { mediaType: found === 'application/x-cfb' ? (olderOffice[extensionOf(name)] ?? found) : found };
  return { mediaType: textType ?? UNKNOWN };
}

/** Almost any bytes read as UTF-16. */
const isReadable = (textType: string | undefined): boolean => textType !== undefined && !textType.includes('utf-16');
const extensionOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1).toLowerCase();

// A picture is seldom decoded twice.
sharp.cache(false);
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['Jpeg', 'Png', 'Nsgif', 'Webp', 'Heif'].map((format) => `VipsForeignLoad${format}File`) });
const options = { limitInputPixels: false, failOn: 'error' as const };

async function picture(path: string, output: string, type: string, report: Report): Promise<Content> {
  const isForeign = type === 'image/heic' || type === 'image/heif';
  const metadata = await sharp(path, options)
    .metadata()
    .catch((error: unknown) => {
      if (isForeign) return undefined;
      throw new Refused('The picture cannot be decoded', { cause: error });
    });
  const { isStripped, largestPart } = await strip(path, cleanPath(output), type, metadata?.orientation ?? 1);
  const { width = 0, height = 0 } = metadata?.autoOrient ?? {};
  const pixels = Math.max(width * height, largestPart);
  const content: Content = {
    mediaType: pixels >= MAX_PIXELS ? UNKNOWN : type,
    ...(isStripped && { isStripped }),
    ...(width > 0 && pixels < MAX_PIXELS && { width, height }),
  };
  report(content);
  if (!metadata || pixels >= MAX_PIXELS || pixels * bytesPerPixel(metadata) > MAX_DECODED_BYTES) return content;
  try {
    if (isStripped) await turn(output, metadata);
    return { ...content, thumbnail: await preview(isStripped ? cleanPath(output) : path, previewPath(output)) };
  } catch (error) {
    if (isForeign) return content;
    throw new Refused('The picture cannot be decoded', { cause: error });
  }
}

/**
 * An upper bound of what decoding takes. Formats that are decoded by lines take little; others are in memory as a
 * whole, some of them twice.
 */
function bytesPerPixel({ format, isProgressive, channels, depth, orientation = 1 }: Metadata): number {
  const whole = channels * (depth === 'ushort' ? 2 : 1);
  const turned = orientation > 1 ? 2 * whole : 0;
  if (format === 'jpeg') return (isProgressive ? 2 * channels : 1) + turned;
  if (format === 'png') return (isProgressive ? whole : 1) + turned;
  if (format === 'webp') return 8 + turned;
  if (format === 'gif') return 8;
  return 18;
}

/** Turns a picture as its camera was held. An animation keeps the note of its camera instead. */
async function turn(output: string, { format, orientation = 1, pages = 1, isProgressive }: Metadata): Promise<void> {
  if (orientation === 1 || pages > 1 || (format !== 'jpeg' && format !== 'png' && format !== 'webp')) return;
  await sharp(cleanPath(output), options)
    .autoOrient()
    .toFormat(format, { quality: TURNED_QUALITY, ...(format === 'jpeg' && { progressive: isProgressive ?? false }) })
    .toFile(turnedPath(output));
  await rename(turnedPath(output), cleanPath(output));
}

async function preview(path: string, target: string): Promise<Thumbnail> {
  const { size, width, height } = await sharp(path, options)
    .autoOrient()
    .resize(THUMBNAIL_PX, THUMBNAIL_PX, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toFile(target);
  return { size, width, height };
}

async function recording(path: string, mediaType: string, report: Report): Promise<Content> {
  report({ mediaType });
  const { size } = await stat(path);
  const metadata = await parseFile(path, { duration: size <= MAX_SCANNED_BYTES, skipCovers: true }).catch(
    () => undefined,
  );
  if (!metadata) return { mediaType };
  const { duration = 0 } = metadata.format;
  const durationMs = Math.round(duration * 1000);
  return {
    mediaType: isSoundOnly(metadata) ? (sounds[mediaType] ?? mediaType) : mediaType,
    ...(durationMs > 0 && durationMs <= MAX_DURATION_MS && { durationMs }),
  };
}

/** Voice messages may come in a container for films. */
const sounds: Readonly<Record<string, string>> = {
  'video/mp4': 'audio/mp4',
  'video/webm': 'audio/webm',
  'video/ogg': 'audio/ogg',
};
const isSoundOnly = ({ format: { hasAudio, hasVideo } }: IAudioMetadata): boolean =>
  hasAudio === true && hasVideo === false;
