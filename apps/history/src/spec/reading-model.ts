import { LocalState } from '@parley/testing';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Chat } from './chat.js';
import { catchUp, expectFresh } from './device.js';
import type { Service } from './service.js';

interface Reader {
  here: boolean;
  read: number;
  delivered: number;
  mark: number | undefined;
}
interface Written {
  readonly by: number;
  readonly system: boolean;
  readonly mentions: readonly number[];
  deleted: boolean;
}

/**
 * A model of what three people have read of one conversation, after I4 and I5. Its first message is a system message of
 * person 0.
 */
export class Model {
  readonly messages: Written[] = [{ by: 0, system: true, mentions: [], deleted: false }];
  readonly readers: Reader[] = [0, 1, 2].map(() => ({ here: true, read: 0, delivered: 0, mark: undefined }));

  get last(): number {
    return this.messages.length;
  }
  unread(who: number): Written[] {
    const { read, mark } = this.readers[who]!;
    return this.messages
      .slice((mark ?? read + 1) - 1)
      .filter(({ by, system, deleted }) => by !== who && !system && !deleted);
  }
  /** The conversation as `conversation.get` shows it to one person. */
  me(who: number): unknown {
    const { read, delivered, mark } = this.readers[who]!;
    const unread = this.unread(who);
    return {
      readSeq: read,
      deliveredSeq: delivered,
      unreadFrom: mark,
      unread: unread.length,
      mentions: unread.filter(({ mentions }) => mentions.includes(who)).length,
    };
  }
}

/** The conversation in the service, with devices of person 0 that catch up now and then. */
export class Real {
  readonly devices: LocalState[] = [];
  constructor(
    readonly service: Service,
    readonly chat: Chat,
    readonly conversationId: string,
    readonly users: readonly string[],
  ) {}

  async me(who: number): Promise<unknown> {
    const { conversation } = await this.service.ask('conversation.get.v1', this.users[who]!, {
      conversationId: this.conversationId,
    });
    const { readSeq, deliveredSeq, unreadFrom, unread, mentions } = conversation.me!;
    return { readSeq, deliveredSeq, unreadFrom, unread, mentions };
  }
}

/** Checks every person's view, and their sum of unread messages. */
async function expectEqual(model: Model, { service, users, ...real }: Real, me: Real['me']): Promise<void> {
  for (const [who, { here }] of model.readers.entries()) {
    if (here) expect([who, await me(who)]).toEqual([who, model.me(who)]);
    const { total, conversations } = await service.ask('unread.list.v1', users[who]!, {});
    const count = here ? model.unread(who).length : 0;
    expect([total, conversations.map(({ id, unread }) => [id, unread])]).toEqual([
      count,
      count === 0 ? [] : [[real.conversationId, count]],
    ]);
  }
}

class Command implements fc.AsyncCommand<Model, Real> {
  constructor(
    private readonly label: string,
    readonly check: (model: Readonly<Model>) => boolean,
    private readonly act: (model: Model, real: Real) => Promise<unknown>,
  ) {}

  async run(model: Model, real: Real): Promise<void> {
    await this.act(model, real);
    await expectEqual(model, real, (who) => real.me(who));
  }

  toString = (): string => this.label;
}

const always = (): boolean => true;
const who = fc.nat(2);
const here =
  (by: number) =>
  ({ readers }: Readonly<Model>): boolean =>
    readers[by]!.here;

const write = fc.tuple(who, fc.uniqueArray(who), fc.boolean()).map(
  ([by, mentions, system]) =>
    new Command(
      `${by} writes${system ? ' a note' : ''} of ${mentions.join()}`,
      always,
      async (model, { chat, conversationId, users }) => {
        await chat.message(conversationId, users[by]!, {
          mentions: mentions.map((one) => users[one]!),
          type: system ? 'system' : 'text',
        });
        model.messages.push({ by, system, mentions, deleted: false });
      },
    ),
);
const change = fc
  .tuple(fc.constantFrom('erase' as const, 'edit' as const, 'pin' as const, 'react' as const), fc.nat(30))
  .map(
    ([how, at]) =>
      new Command(`${how} ${at}`, always, async (model, { chat, conversationId, users }) => {
        const seq = 1 + (at % model.last);
        if (how === 'erase') await chat.erase(conversationId, seq);
        else if (how === 'edit') await chat.edit(conversationId, seq, 'edited');
        else if (how === 'pin') await chat.pin(conversationId, seq, users[0]!);
        else await chat.react(conversationId, seq, String.fromCodePoint(0x1f600 + model.last * 100 + at), [users[1]!]);
        model.messages[seq - 1]!.deleted ||= how === 'erase';
      }),
  );
const rename = fc
  .string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' })
  .map(
    (title) =>
      new Command(`rename ${title}`, always, (_, { chat, conversationId }) => chat.rename(conversationId, title)),
  );

/** Positions never move back or beyond the last message. Reading removes the reader's own mark. */
async function requireReceipt(
  model: Model,
  { service, conversationId, users }: Real,
  by: number,
  kind: 'read' | 'delivered',
  seq: number,
): Promise<void> {
  const reader = model.readers[by]!;
  const answer = await service.receipt(kind, users[by]!, conversationId, seq).then(
    ({ readSeq, deliveredSeq }) => ({ readSeq, deliveredSeq }),
    (error: { code: string }) => error.code,
  );
  if (reader.here) {
    const reached = Math.min(seq, model.last);
    reader.delivered = Math.max(reader.delivered, reached);
    if (kind === 'read') Object.assign(reader, { read: Math.max(reader.read, reached), mark: undefined });
  }
  expect(answer).toEqual(reader.here ? { readSeq: reader.read, deliveredSeq: reader.delivered } : 'not_found');
}
const receipt = fc
  .tuple(who, fc.constantFrom('read' as const, 'delivered' as const), fc.nat(40))
  .map(
    ([by, kind, seq]) =>
      new Command(`${by} ${kind} ${seq}`, always, (model, real) => requireReceipt(model, real, by, kind, seq)),
  );
const mark = fc.tuple(who, fc.nat(30)).map(
  ([by, at]) =>
    new Command(`${by} marks ${at}`, here(by), async (model, { service, conversationId, users }) => {
      const unreadFrom = 1 + (at % model.last);
      await service.ask('conversation.me.v1', users[by]!, { conversationId, unreadFrom });
      model.readers[by]!.mark = unreadFrom;
    }),
);
const leave = who.map(
  (by) =>
    new Command(`${by} leaves`, here(by), async ({ readers }, { chat, conversationId, users }) => {
      await chat.leave(conversationId, users[by]!);
      readers[by]!.here = false;
    }),
);
const join = who.map(
  (by) =>
    new Command(
      `${by} comes back`,
      (model) => !here(by)(model),
      async (model, { chat, conversationId, users }) => {
        await chat.join(conversationId, users[by]!);
        model.readers[by] = { here: true, read: model.last, delivered: model.last, mark: undefined };
      },
    ),
);

const begin = fc.constant(
  new Command('a device begins', always, async (_, { service, devices, users }) => {
    const device = new LocalState(users[0]!);
    await catchUp(service, device);
    devices.push(device);
  }),
);
const sync = fc.nat(5).map(
  (at) =>
    new Command(`device ${at} syncs`, always, async (_, { service, devices }) => {
      const device = devices[at % devices.length];
      if (!device) return;
      await catchUp(service, device);
      await expectFresh(service, device);
    }),
);

/** Everything that may happen; frequent events more often. */
export const commands = fc.commands(
  [write, write, write, change, change, rename, receipt, receipt, mark, leave, join, begin, sync],
  { maxCommands: 50, size: 'max' },
);
