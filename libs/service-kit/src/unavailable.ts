/** A dependency (database, Redis, broker) is unreachable or too slow; the same work may succeed later. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
