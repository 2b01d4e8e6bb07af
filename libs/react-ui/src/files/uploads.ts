import type { Attachment, ErrorBody, MessageType } from '@parley/contracts';
import { currentStrings } from '../strings/strings.tsx';

/** A file that was chosen for a message. It is uploaded at once, so that the message can be sent without waiting. */
export interface Upload {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** An object URL of a picture. */
  readonly preview?: string | undefined;
  /** 0 to 1. */
  readonly progress: number;
  /** Present when it is uploaded, at `uploadedAt` (milliseconds since the epoch). */
  readonly attachment?: Attachment | undefined;
  readonly uploadedAt?: number | undefined;
  readonly problem?: ErrorBody | undefined;
}

/** The server's limit of files in one message. */
export const MAX_FILES = 20;

/** An upload of a file that has not begun. */
export const newUpload = (file: File): Upload => ({
  key: Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join(''),
  name: file.name,
  type: file.type,
  size: file.size,
  progress: 0,
  ...previewOf(file),
});

/** The address of a preview, for pictures. Revoke it when it is not shown any more. */
export const previewOf = (file: File): Pick<Upload, 'preview'> =>
  file.type.startsWith('image/') ? { preview: URL.createObjectURL(file) } : {};

/** Whether the upload is still under way. */
export const isUploading = ({ attachment, problem }: Upload): boolean => !attachment && !problem;

const MAX_NAMES = 10;
/** File names in a sentence. */
export function listed(names: readonly string[]): string {
  return currentStrings().files.andMore(names.slice(0, MAX_NAMES), Math.max(0, names.length - MAX_NAMES));
}

/** The type of a message with these attachments. */
export function typeOf(attachments: readonly Attachment[]): Exclude<MessageType, 'system'> {
  const kinds = new Set(attachments.map(({ mediaType }) => mediaType.split('/')[0]));
  const [kind] = kinds;
  if (kind === undefined) return 'text';
  return kinds.size === 1 && (kind === 'image' || kind === 'video' || kind === 'audio') ? kind : 'document';
}
