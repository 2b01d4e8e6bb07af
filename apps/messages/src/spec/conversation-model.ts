import fc from 'fast-check';
import { expect } from 'vitest';
import type { Engine } from '@parley/store/testing';
import type { Service } from './service.js';

export type Kind = 'direct' | 'group' | 'channel';
type Role = 'creator' | 'admin' | 'member';
type Status = 'active' | 'muted' | 'banned';
type Code = 'answered' | 'forbidden' | 'muted' | 'banned' | 'not_found' | 'conflict';

interface Person {
  role: Role;
  status: Status;
  /** True while on the list of members. */
  listed: boolean;
  /** Who added them; undefined for those who joined by themselves. */
  addedBy?: number | undefined;
}
interface Written {
  readonly id: string;
  readonly by: number;
  body: string;
  deleted: boolean;
  readonly reactions: Set<string>;
}

/** A model of a conversation after docs/permissions.md and the protocol, with four people named by numbers. */
export class Model {
  deleted = false;
  membersInvite = false;
  title = 'a title';
  readonly people = new Map<number, Person>();
  readonly messages: Written[] = [];
  /** Who may not add whom again within a day: `<by> <whom>`. */
  readonly departures = new Set<string>();

  constructor(
    readonly kind: Kind,
    public visibility: 'public' | 'private',
  ) {}

  isMember(who: number): boolean {
    const person = this.people.get(who);
    return person !== undefined && person.listed && person.status !== 'banned';
  }
  get present(): number[] {
    return [...this.people.keys()].filter((who) => this.isMember(who));
  }

  /** The refusal of access; undefined when the person has it. */
  access(who: number): Code | undefined {
    if (this.deleted) return 'not_found';
    if (this.people.get(who)?.status === 'banned') return 'banned';
    if (this.isMember(who)) return undefined;
    return this.visibility === 'public' ? 'forbidden' : 'not_found';
  }

  /** The refusal of an action: first access, then the role, then a mute. */
  refusal(who: number, allowed: (role: Role) => boolean, evenMuted = false): Code | undefined {
    const kept = this.access(who);
    if (kept) return kept;
    const { role, status } = this.people.get(who)!;
    if (!allowed(role)) return 'forbidden';
    return status === 'muted' && !evenMuted ? 'muted' : undefined;
  }

  readonly isAdmin = (role: Role): boolean => role !== 'member';
  readonly everybody = (): boolean => true;
  readonly nobodyInDirect =
    (allowed: (role: Role) => boolean) =>
    (role: Role): boolean =>
      this.kind !== 'direct' && allowed(role);
  readonly mayWrite = (role: Role): boolean => this.kind !== 'channel' || role !== 'member';
  readonly isCreator = this.nobodyInDirect((role) => role === 'creator');
  readonly mayManage = this.nobodyInDirect(this.isAdmin);
  readonly mayInvite = this.nobodyInDirect((role) => role !== 'member' || this.membersInvite);

  outranks(who: number, other: number): boolean {
    const rank: Record<Role, number> = { member: 0, admin: 1, creator: 2 };
    return rank[this.people.get(who)!.role] > rank[this.people.get(other)!.role];
  }

  /** A mute remains after leaving. */
  enter(who: number, role: Role, addedBy?: number): void {
    const before = this.people.get(who);
    this.people.set(who, { role, status: before?.status === 'muted' ? 'muted' : 'active', listed: true, addedBy });
  }
}

/** The conversation in the service, with its people's user ids. */
export class Real {
  constructor(
    readonly service: Service,
    readonly engine: Engine,
    readonly conversationId: string,
    readonly users: readonly string[],
  ) {}

  ask(name: Parameters<Service['ask']>[0], who: number, input: object): Promise<unknown> {
    return this.service.ask(name, this.users[who]!, input);
  }

  async rows(): Promise<unknown> {
    const [conversation] = await this.engine.owner.query(
      `select title, visibility, coalesce((policy->>'membersInvite')::boolean, false) as invite, deleted_at is not null as deleted, member_count from chat.conversation where id = $1`,
      [this.conversationId],
    );
    const members = await this.engine.owner.query<{ user_id: string }>(
      `select user_id, role, status, left_at is null as listed from chat.member where conversation_id = $1`,
      [this.conversationId],
    );
    const messages = await this.engine.owner.query(
      `select m.sender_id, m.body, m.deleted_at is not null as deleted, (select count(*)::int from chat.reaction r where r.message_id = m.id) as reactions
       from chat.message m where m.conversation_id = $1 and m.type <> 'system' order by m.seq`,
      [this.conversationId],
    );
    return {
      conversation,
      members: Object.fromEntries(members.map(({ user_id, ...row }) => [this.users.indexOf(user_id), row])),
      messages,
    };
  }

  expected({ title, kind, visibility, membersInvite, deleted, people, messages, present }: Model): unknown {
    return {
      conversation: {
        title: kind === 'direct' ? null : title,
        visibility,
        invite: membersInvite,
        deleted,
        member_count: present.length,
      },
      members: Object.fromEntries(
        [...people].map(([who, { role, status, listed }]) => [who, { role, status, listed }]),
      ),
      messages: messages.map(({ by, body, deleted: gone, reactions }) => ({
        sender_id: this.users[by],
        body: gone ? '' : body,
        deleted: gone,
        reactions: gone ? 0 : reactions.size,
      })),
    };
  }
}

/** A command of one person: its expected answer, how it is made, and its effect on the model when it is not refused. */
interface Step {
  expected(model: Model): Code;
  make(real: Real, model: Model): Promise<unknown>;
  apply(model: Model, answer: unknown): void;
}

/** Makes the command, compares its answer, and applies it to the model. */
async function runStep(model: Model, real: Real, step: Step): Promise<void> {
  const wanted = step.expected(model);
  const outcome = await step.make(real, model).then(
    (answer) => ({ code: 'answered', answer }),
    (error: Error & { code?: string }) => ({ code: error.code ?? error.message, answer: undefined }),
  );
  expect(outcome.code).toBe(wanted);
  if (outcome.code === 'answered') step.apply(model, outcome.answer);
  expect(await real.rows()).toEqual(real.expected(model));
}

class Command implements fc.AsyncCommand<Model, Real> {
  constructor(
    private readonly label: string,
    private readonly needs: (model: Model) => boolean,
    private readonly step: (model: Model) => Step,
  ) {}

  check = (model: Readonly<Model>): boolean => this.needs(model);

  run = (model: Model, real: Real): Promise<void> => runStep(model, real, this.step(model));

  toString = (): string => this.label;
}

const always = (): boolean => true;
const who = fc.nat(3);
const ok = (refusal: Code | undefined): Code => refusal ?? 'answered';

const send = who.map(
  (by) =>
    new Command(`${by} sends`, always, () => ({
      expected: (model) => ok(model.refusal(by, model.mayWrite)),
      make: (real) => real.service.send(real.users[by]!, { conversationId: real.conversationId, body: 'hello' }),
      apply: (model, answer) =>
        void model.messages.push({
          id: (answer as { message: { id: string } }).message.id,
          by,
          body: 'hello',
          deleted: false,
          reactions: new Set(),
        }),
    })),
);

/** A command on one of the messages, if there are any. */
const onMessage = (label: string, step: (model: Model, message: Written, by: number) => Step) =>
  fc.tuple(who, fc.nat(5)).map(([by, at]) => {
    const pick = ({ messages }: Model): Written => messages[at % messages.length]!;
    return new Command(
      `${by} ${label} message ${at}`,
      ({ messages }) => messages.length > 0,
      (model) => step(model, pick(model), by),
    );
  });
const edit = onMessage('edits', (_, message, by) => ({
  expected: (model) =>
    ok(
      model.access(by) ??
        (message.by === by ? undefined : 'forbidden') ??
        model.refusal(by, model.mayWrite) ??
        (message.deleted ? 'conflict' : undefined),
    ),
  make: (real) => real.ask('message.edit.v1', by, { messageId: message.id, body: 'edited' }),
  apply: () => void (message.body = 'edited'),
}));
const erase = onMessage('deletes', (_, message, by) => ({
  expected: (model) => ok(model.refusal(by, (role) => message.by === by || model.isAdmin(role))),
  make: (real) => real.ask('message.delete.v1', by, { messageId: message.id }),
  apply: () => void (message.deleted = true),
}));
const react = onMessage('reacts to', (_, message, by) => ({
  expected: (model) => ok(model.refusal(by, model.everybody) ?? (message.deleted ? 'conflict' : undefined)),
  make: (real) => real.ask('reaction.add.v1', by, { messageId: message.id, emoji: '👍' }),
  apply: () => void message.reactions.add(String(by)),
}));
const unreact = onMessage('removes a reaction from', (_, message, by) => ({
  expected: (model) => ok(model.refusal(by, model.everybody) ?? (message.deleted ? 'conflict' : undefined)),
  make: (real) => real.ask('reaction.remove.v1', by, { messageId: message.id, emoji: '👍' }),
  apply: () => void message.reactions.delete(String(by)),
}));
const pin = onMessage('pins', (_, message, by) => ({
  expected: (model) => ok(model.refusal(by, model.isAdmin) ?? (message.deleted ? 'conflict' : undefined)),
  make: (real) => real.ask('message.pin.v1', by, { messageId: message.id }),
  apply: () => undefined,
}));

const join = who.map(
  (by) =>
    new Command(`${by} joins`, always, () => ({
      expected: (model) => {
        const kept = model.access(by);
        return kept === 'forbidden' ? 'answered' : ok(kept);
      },
      make: (real) => real.ask('conversation.join.v1', by, { conversationId: real.conversationId }),
      apply: (model) => void (model.isMember(by) || model.enter(by, 'member')),
    })),
);
const leave = who.map(
  (by) =>
    new Command(`${by} leaves`, always, () => ({
      expected: (model) =>
        ok(
          model.refusal(by, model.nobodyInDirect(model.everybody), true) ??
            (model.people.get(by)!.role === 'creator' && model.present.length > 1 ? 'conflict' : undefined),
        ),
      make: (real) => real.ask('conversation.leave.v1', by, { conversationId: real.conversationId }),
      apply: (model) => {
        if (model.people.get(by)!.role === 'creator') model.deleted = true;
        else {
          const person = model.people.get(by)!;
          person.listed = false;
          if (person.addedBy !== undefined) model.departures.add(`${person.addedBy} ${by}`);
        }
      },
    })),
);

/** A command of one person about another. */
const toOther = <T>(label: string, more: fc.Arbitrary<T>, step: (by: number, other: number, more: T) => Step) =>
  fc
    .tuple(who, who, more)
    .map(
      ([by, other, what]) =>
        new Command(`${by} ${label} ${other} ${JSON.stringify(what)}`, always, () => step(by, other, what)),
    );
const add = toOther('adds', fc.constantFrom('member', 'admin'), (by, other, role: Role) => ({
  expected: (model) => {
    const person = model.people.get(other);
    return ok(
      model.refusal(by, (own) => model.mayInvite(own) && (role !== 'admin' || own === 'creator')) ??
        (person?.status === 'banned' ? 'conflict' : undefined) ??
        (!model.isMember(other) && model.departures.has(`${by} ${other}`) ? 'forbidden' : undefined),
    );
  },
  make: (real) =>
    real.ask('member.add.v1', by, { conversationId: real.conversationId, userId: real.users[other], role }),
  apply: (model) => void (model.isMember(other) || model.enter(other, role, by)),
}));
const remove = toOther('removes', fc.constant(null), (by, other) => ({
  expected: (model) =>
    ok(
      model.refusal(by, model.mayManage) ??
        (model.people.get(other)?.listed ? undefined : 'not_found') ??
        (model.outranks(by, other) ? undefined : 'forbidden'),
    ),
  make: (real) => real.ask('member.remove.v1', by, { conversationId: real.conversationId, userId: real.users[other] }),
  apply: (model) => void (model.people.get(other)!.listed = false),
}));
const setStatus = toOther('makes', fc.constantFrom<Status[]>('active', 'muted', 'banned'), (by, other, status) => ({
  expected: (model) => {
    const person = model.people.get(other);
    // A person off the list can be banned and unbanned.
    const there = person !== undefined && (person.listed || person.status === 'banned' || status === 'banned');
    return ok(
      model.refusal(by, model.mayManage) ??
        (there ? undefined : 'not_found') ??
        (model.outranks(by, other) ? undefined : 'forbidden'),
    );
  },
  make: (real) =>
    real.ask('member.update.v1', by, { conversationId: real.conversationId, userId: real.users[other], status }),
  apply: (model) => {
    const person = model.people.get(other)!;
    Object.assign(person, { status, role: status === 'banned' ? 'member' : person.role });
  },
}));
const promote = toOther('makes', fc.constantFrom<('admin' | 'member')[]>('admin', 'member'), (by, other, role) => ({
  expected: (model) => {
    const person = model.people.get(other);
    const there = person !== undefined && (person.listed || person.status === 'banned');
    return ok(
      model.refusal(by, model.isCreator) ??
        (there ? undefined : 'not_found') ??
        (person!.role === 'creator' || person!.status === 'banned' ? 'conflict' : undefined),
    );
  },
  make: (real) =>
    real.ask('member.update.v1', by, { conversationId: real.conversationId, userId: real.users[other], role }),
  apply: (model) => void (model.people.get(other)!.role = role),
}));
const handOver = toOther('hands over to', fc.constant(null), (by, other) => ({
  expected: (model) => {
    const person = model.people.get(other);
    const there = person !== undefined && (person.listed || person.status === 'banned');
    return ok(
      model.refusal(by, model.isCreator) ??
        (there ? undefined : 'not_found') ??
        (person!.status === 'banned' ? 'conflict' : undefined),
    );
  },
  make: (real) =>
    real.ask('member.update.v1', by, {
      conversationId: real.conversationId,
      userId: real.users[other],
      role: 'creator',
    }),
  apply: (model) => {
    model.people.get(by)!.role = 'admin';
    Object.assign(model.people.get(other)!, { role: 'creator', status: 'active' });
  },
}));

const describing = fc
  .record(
    {
      title: fc.constantFrom('one', 'two'),
      policy: fc.record({ membersInvite: fc.boolean() }),
      visibility: fc.constantFrom<('public' | 'private')[]>('public', 'private'),
    },
    { requiredKeys: [] },
  )
  .filter((wish) => Object.keys(wish).length > 0);
const update = fc
  .tuple(who, describing)
  .map(
    ([by, wish]) =>
      new Command(`${by} updates it ${JSON.stringify(wish)}`, always, () => ({
        expected: (model) => ok(model.refusal(by, wish.visibility === undefined ? model.mayManage : model.isCreator)),
        make: (real) => real.ask('conversation.update.v1', by, { conversationId: real.conversationId, ...wish }),
        apply: (model) =>
          void Object.assign(model, {
            title: wish.title ?? model.title,
            visibility: wish.visibility ?? model.visibility,
            membersInvite: wish.policy?.membersInvite ?? model.membersInvite,
          }),
      })),
  );
const end = who.map(
  (by) =>
    new Command(`${by} deletes it`, always, () => ({
      expected: (model) => ok(model.refusal(by, model.isCreator)),
      make: (real) => real.ask('conversation.delete.v1', by, { conversationId: real.conversationId }),
      apply: (model) => void (model.deleted = true),
    })),
);

/** Everything that a person may try; frequent commands more often. */
export const commands = fc.commands(
  [
    send,
    send,
    edit,
    erase,
    react,
    unreact,
    pin,
    join,
    leave,
    add,
    add,
    remove,
    setStatus,
    setStatus,
    promote,
    promote,
    handOver,
    update,
    end,
  ],
  { maxCommands: 60, size: 'max' },
);
