import type { IncomingMessage, Server } from 'node:http';

/**
 * Treats requests that offer an upgrade (HTTP/2 without TLS, say) as ordinary requests unless `wanted` accepts them.
 * Node takes this as an option of `createServer`; Nest creates the server itself and passes no such option on, so it is
 * set afterwards.
 */
export function limitUpgrades(server: Server, wanted: (request: IncomingMessage) => boolean): void {
  Object.assign(server, { shouldUpgradeCallback: wanted });
}
