/** A point in the life of a command at which a process under test may end or be held up. */
export type FaultPoint =
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
