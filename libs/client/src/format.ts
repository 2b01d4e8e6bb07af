/** Light Markdown in message bodies, as the web app and the terminal show it. */
export { formatBody, type Block } from './format/blocks.js';
export type { Inline } from './format/inline.js';
export { linksIn, type LinkPart } from './format/links.js';
export { plainTextOf } from './format/plain.js';
