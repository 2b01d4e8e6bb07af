/** A file on this machine, to be examined. What is made of it is written to paths that begin with `output`. */
export interface Request {
  readonly path: string;
  readonly name: string;
  readonly output: string;
}
/** `started` comes once, first. `known` comes before work that may take too much. The others are results. */
export type Reply =
  | { readonly kind: 'started' | 'missing' }
  | { readonly kind: 'known' | 'done'; readonly content: Content }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string };

/** Properties recognised from content. */
export interface Content {
  readonly mediaType: string;
  readonly width?: number;
  readonly height?: number;
  readonly durationMs?: number;
  readonly thumbnail?: Thumbnail;
  /** The picture without its metadata is at {@link cleanPath}. */
  readonly isStripped?: true;
}
/** A preview in WebP at {@link previewPath}. */
export interface Thumbnail {
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

/** The media type of a file whose kind is not known, and of a picture that is too large for a preview. */
export const UNKNOWN = 'application/octet-stream';
/** Where a picture's preview is written. `output` is a path that no other examination uses. */
export const previewPath = (output: string): string => `${output}.preview`;
/** Where a picture is written without its metadata. */
export const cleanPath = (output: string): string => `${output}.clean`;
/** Where a picture is written that is turned as its camera was held, until it is complete. */
export const turnedPath = (output: string): string => `${output}.turned`;
/** All paths that an examination may write to. */
export const writtenPaths = (output: string): string[] => [previewPath(output), cleanPath(output), turnedPath(output)];
