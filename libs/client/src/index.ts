export { createClient, ParleyClient, type ClientOptions } from './client.js';
export { ParleyError } from './errors.js';
export { indexedDbStorage, memoryStorage, type ClientStorage } from './storage.js';
export { serverUrlOf } from './connection/server-url.js';
export type { RequestOptions } from './connection/http.js';
export type { Uploadable } from './uploads.js';
export type * from './types.js';
