/** Each guard is taken away in turn: the row that stands for it has to find out. A row that cannot go red proves nothing. */
import type { Guard } from '@parley/faults';

export interface Mutation {
  readonly guard: Guard;
  /** The row that has to turn red, and the finding that has to be among its findings. */
  readonly row: string;
  readonly finding: string;
  /** What has to be done to the database to take the guard away completely. */
  readonly sql?: string;
}

export const mutations: readonly Mutation[] = [
  {
    guard: 'dedupe',
    row: 'clients-cut',
    finding: 'doubled',
    sql: 'alter table chat.message drop constraint message_conversation_id_sender_id_client_id_key',
  },
  { guard: 'ack-after-commit', row: 'kill-at-messages.committed', finding: 'unsearchable' },
  { guard: 'confirms', row: 'publisher-lost', finding: 'unsearchable' },
  { guard: 'single-active-consumer', row: 'slow-consumer', finding: 'disordered' },
  { guard: 'cursor-greatest', row: 'clients-cut', finding: 'unread' },
  { guard: 'membership-on-push', row: 'clients-cut', finding: 'leaked' },
  { guard: 'revocation-fan-out', row: 'redis-kill', finding: 'revoked' },
  { guard: 'frame-numbers', row: 'kill-at-messages.pushed', finding: 'repeated' },
  { guard: 'gaps', row: 'queues-deleted', finding: 'stale' },
  { guard: 'deadlines', row: 'freeze-history', finding: 'unanswered' },
  { guard: 'leases', row: 'kill-gateway', finding: 'row' },
  { guard: 'dead-letters', row: 'poison', finding: 'row' },
  { guard: 'slow-sockets', row: 'slow-reader', finding: 'row' },
];
