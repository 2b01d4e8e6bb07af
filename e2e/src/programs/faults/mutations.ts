/**
 * Guards that keep the promises. `npm run faults -- --mutations` removes each one from a build by its patch
 * `e2e/mutations/<guard>.patch`, and demands that the fault listed here notices. A check that cannot fail proves
 * nothing.
 */
export interface Mutation {
  readonly guard: string;
  /** The fault that must notice, and the kind of finding by which it notices. */
  readonly fault: string;
  readonly finding: string;
  /** A change of the database without which the guard is not completely gone. */
  readonly sql?: string;
}

export const mutations: readonly Mutation[] = [
  /** A message is stored once for each (conversation, sender, clientId). */
  {
    guard: 'dedupe',
    fault: 'clients-cut',
    finding: 'doubled',
    sql: 'alter table chat.message drop constraint message_conversation_id_sender_id_client_id_key',
  },
  /** A delivery is acknowledged only when all its work is done. */
  { guard: 'ack-after-commit', fault: 'kill-at-messages.committed', finding: 'unsearchable' },
  /** A publication is repeated until RabbitMQ confirms it. */
  { guard: 'confirms', fault: 'publisher-lost', finding: 'unsearchable' },
  /** One replica at a time takes the commands of a shard. */
  { guard: 'single-active-consumer', fault: 'slow-consumer', finding: 'disordered' },
  /** Cursors only move forward. */
  { guard: 'cursor-greatest', fault: 'clients-cut', finding: 'unread' },
  /** Pushes go to users who are members at that moment. */
  { guard: 'membership-on-push', fault: 'clients-cut', finding: 'leaked' },
  /** The sockets of an ended session are closed. */
  { guard: 'revocation-fan-out', fault: 'redis-kill', finding: 'revoked' },
  /** A repeated frame is shown once. */
  { guard: 'frame-numbers', fault: 'kill-at-messages.pushed', finding: 'repeated' },
  /** Clients that may have missed a frame are made to reconnect. */
  { guard: 'gaps', fault: 'queues-deleted', finding: 'stale' },
  /** A call without an answer is answered `unavailable` at its deadline. */
  { guard: 'deadlines', fault: 'freeze-history', finding: 'unanswered' },
  /** A lease that is not renewed ends. */
  { guard: 'leases', fault: 'kill-gateway', finding: 'fault' },
  /** A message that cannot be handled becomes a dead letter. */
  { guard: 'dead-letters', fault: 'poison', finding: 'fault' },
  /** A client that does not read is disconnected. */
  { guard: 'slow-sockets', fault: 'slow-reader', finding: 'fault' },
];
