/** Moments of a command's life at which a process under test may die or be held up. */
export type Place =
  | 'messages.received'
  | 'messages.stored'
  | 'messages.committed'
  | 'messages.answered'
  | 'messages.pushed'
  | 'messages.published'
  | 'history.received'
  | 'history.moved'
  | 'gateway.received'
  | 'gateway.answered'
  | 'gateway.pushed'
  | 'broker.settled';

/** What keeps a promise. Each can be taken away from a process under test, to show that its absence is noticed. */
export type Guard =
  /** A message is stored once for each (conversation, sender, clientId). */
  | 'dedupe'
  /** A delivery is acknowledged only when everything that it asks for is done. */
  | 'ack-after-commit'
  /** A publication counts as made when RabbitMQ has confirmed it, and is made again until then. */
  | 'confirms'
  /** One replica at a time takes the commands of a shard. */
  | 'single-active-consumer'
  /** Cursors only go forward. */
  | 'cursor-greatest'
  /** Pushes go to those who are members at that moment. */
  | 'membership-on-push'
  /** The sockets of an ended session are closed. */
  | 'revocation-fan-out'
  /** A frame that comes again is shown once. */
  | 'frame-numbers'
  /** Whoever may have missed a frame is made to reconnect. */
  | 'gaps'
  /** A call that nobody answers is answered `unavailable`. */
  | 'deadlines'
  /** Who gives no sign of life is offline. */
  | 'leases'
  /** What can never be handled becomes a dead letter. */
  | 'dead-letters'
  /** A client that does not read is cut off. */
  | 'slow-sockets';
