import type { Member, Membership } from '#contracts';
import type { Positions } from '../types.js';

/** The user’s own membership without its counts. */
export type UncountedMembership = Omit<Membership, 'unread' | 'mentions'>;
type Status = Pick<Member, 'role' | 'status' | 'mutedUntil'>;

/** The user's own membership without its counts: status, settings, positions, private mark. Positions never go back. */
export class OwnMembership {
  private current: UncountedMembership;

  constructor(membership: Membership) {
    this.current = withoutCounts(membership);
  }

  get value(): UncountedMembership {
    return this.current;
  }

  /** The `seq` from which on messages are unread: that of the private mark, or the one after the read position. */
  get firstUnread(): number {
    return this.current.unreadFrom ?? this.current.readSeq + 1;
  }

  /** Takes over everything but positions that are behind. */
  adopt(membership: Membership): void {
    const { current } = this;
    this.current = withoutCounts(membership);
    this.advance(current);
  }

  setStatus(status: Status): void {
    this.current = withStatus(this.current, status);
  }

  setNotifications(notifications: Membership['notifications']): void {
    this.current = { ...this.current, notifications };
  }

  /** Sets the private mark. Undefined removes it. */
  setMark(unreadFrom: number | undefined): void {
    const next = { ...this.current };
    delete next.unreadFrom;
    this.current = { ...next, ...(unreadFrom !== undefined && { unreadFrom }) };
  }

  advance({ deliveredSeq, readSeq }: Positions): void {
    this.current = {
      ...this.current,
      deliveredSeq: Math.max(this.current.deliveredSeq, deliveredSeq),
      readSeq: Math.max(this.current.readSeq, readSeq),
    };
  }
}

/** A copy of a member or membership with another role and status. */
export function withStatus<T extends Status>(target: T, { role, status, mutedUntil }: Status): T {
  const copy = { ...target, role, status };
  delete copy.mutedUntil;
  return mutedUntil === undefined ? copy : { ...copy, mutedUntil };
}

function withoutCounts({ unread: _unread, mentions: _mentions, ...rest }: Membership): UncountedMembership {
  return rest;
}
