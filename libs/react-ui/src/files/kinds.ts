import type { Attachment } from '@parley/contracts';

/** A picture without a preview is one that browsers may not decode, or only with much memory. It is a download. */
export const isPicture = ({ mediaType, thumbnailId }: Attachment): boolean =>
  mediaType.startsWith('image/') && thumbnailId !== undefined;
/** Whether a file is played as a video. */
export const isVideo = ({ mediaType }: Attachment): boolean => mediaType.startsWith('video/');
/** Whether a file is shown in the gallery. */
export const isMedia = (attachment: Attachment): boolean => isPicture(attachment) || isVideo(attachment);

/** The kind of a file by the ending of its name, as people know it, else by its media type. */
export const fileKindOf = ({ name, mediaType }: Attachment): string =>
  /\.(\w{1,5})$/.exec(name)?.[1]?.toUpperCase() ?? mediaType.replace(/;.*/, '').split('/').at(-1)!.split('.').at(-1)!;
