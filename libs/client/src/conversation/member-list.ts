import type { Member } from '#contracts';
import type { Positions } from '../types.js';
import type { Ticks } from './kept-tail.js';

/** A member’s current state, or that they have left. */
export type MemberChange = Member | { readonly userId: string; readonly left: true };

/** The members of a conversation, and each member's positions, which never decrease. */
export class MemberList {
  readonly members = new Map<string, Member>();
  readonly positions = new Map<string, Positions>();
  private readonly revs = new Map<string, number>();
  /** Former and banned members: a late receipt must not bring them back. */
  private readonly departed = new Set<string>();

  /**
   * Applies a member's state as of `rev`. Returns false, and does nothing, when a newer state is known.
   * `keep`: whether the member is shown; without it only the position is kept.
   */
  apply(change: MemberChange, rev: number, keep: boolean): boolean {
    const { userId } = change;
    if (rev < this.revOf(userId)) return false;
    this.revs.set(userId, rev);
    if ('left' in change) this.members.delete(userId);
    else if (keep) this.members.set(userId, change);
    if ('left' in change || change.status === 'banned') {
      this.positions.delete(userId);
      this.departed.add(userId);
    } else {
      this.departed.delete(userId);
      this.advance(userId, change);
    }
    return true;
  }

  /** Marks a member's state as known up to `rev`, by an answer that carries it in another form. */
  confirm(userId: string, rev: number): void {
    this.revs.set(userId, Math.max(rev, this.revOf(userId)));
  }

  /** Moves somebody's positions forward. Returns whether that changed anything. */
  advance(userId: string, { deliveredSeq, readSeq }: Positions): boolean {
    const present = this.positions.get(userId);
    const next = {
      deliveredSeq: Math.max(present?.deliveredSeq ?? 0, deliveredSeq),
      readSeq: Math.max(present?.readSeq ?? 0, readSeq),
    };
    if (present?.deliveredSeq === next.deliveredSeq && present.readSeq === next.readSeq) return false;
    this.positions.set(userId, next);
    return true;
  }

  hasDeparted(userId: string): boolean {
    return this.departed.has(userId);
  }

  /**
   * Up to where everybody but this user has received and read everything: 0 while the position of somebody is unknown.
   */
  ticksFor(userId: string, memberCount: number): Ticks {
    const others = [...this.positions].filter(([id]) => id !== userId).map(([, positions]) => positions);
    if (others.length === 0 || others.length < memberCount - 1) return { delivered: 0, read: 0 };
    return {
      delivered: Math.min(...others.map(({ deliveredSeq }) => deliveredSeq)),
      read: Math.min(...others.map(({ readSeq }) => readSeq)),
    };
  }

  /** Forgets the members. Positions stay. */
  clear(): void {
    this.members.clear();
    this.revs.clear();
    this.departed.clear();
  }

  private revOf(userId: string): number {
    return this.revs.get(userId) ?? 0;
  }
}
