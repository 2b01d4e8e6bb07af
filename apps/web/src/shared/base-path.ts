/** The path of the gateway's root: empty, or what the operator set as `BASE_PATH`. Scripts are built into `assets` below. */
export const basePath = /^(.*)\/assets\/[^/]*$/.exec(new URL(import.meta.url).pathname)?.[1] ?? '';
