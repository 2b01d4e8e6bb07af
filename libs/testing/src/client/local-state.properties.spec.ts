import type { Message } from '@parley/contracts';
import { rounds } from '../seeded.js';
import { LocalState } from './local-state.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('the local state of a client', () => {
  const at = '2026-01-01T00:00:00.000Z';
  const message = (seq: number, rev: number): Message => ({
    id: `m${seq}`,
    conversationId: 'k',
    seq,
    rev,
    senderId: 'ann',
    clientId: `c${seq}`,
    type: 'text',
    body: `${rev}`,
    attachments: [],
    mentions: [],
    createdAt: at,
    reactions: [],
  });
  const newState = (): LocalState => {
    const state = new LocalState('ben');
    state.apply('conversation:new', {
      conversation: {
        id: 'k',
        kind: 'group',
        visibility: 'private',
        createdBy: 'ann',
        createdAt: at,
        lastSeq: 0,
        rev: 1,
        memberCount: 2,
        policy: {},
      },
    });
    return state;
  };
  /** Each change is a new message or an edit of an earlier one. */
  const history = fc.array(fc.option(fc.nat(20)), { minLength: 1, maxLength: 20 }).map((changes) => {
    let last = 0;
    return changes.map((edited, index) =>
      message(edited === null || last === 0 ? ++last : 1 + (edited % last), index + 2),
    );
  });

  it('is the same after a sync, for events in any order and any number of times', () => {
    fc.assert(
      fc.property(
        history.chain((all) => fc.tuple(fc.constant(all), fc.array(fc.constantFrom(...all)), fc.nat(all.length))),
        ([all, told, since]) => {
          const [whole, torn] = [newState(), newState()];
          for (const one of all) whole.apply('message:updated', { message: one });
          const sync = () => {
            const rev = torn.cursors()['k']!;
            const changed = new Map(all.filter((one) => one.rev > rev).map((one) => [one.seq, one]));
            torn.applySync({
              epoch: 'e',
              added: [],
              removed: [],
              complete: true,
              changes: [
                {
                  conversationId: 'k',
                  messages: [...changed.values()],
                  receipts: [],
                  rev: all.length + 1,
                  complete: true,
                  epoch: 'e',
                },
              ],
            });
          };
          for (const [n, one] of told.entries()) {
            if (n === since) sync();
            torn.apply('message:new', { message: one });
          }
          sync();
          expect([torn.messages('k'), torn.cursors()]).toEqual([whole.messages('k'), whole.cursors()]);
        },
      ),
      rounds(500),
    );
  });
});
