import { expect, it } from 'vitest';
import { demand, may, outranks, permissions, refusalTo, type Action } from './permissions.js';
import type { LockedConversation } from './send-sql.js';

const roles = ['creator', 'admin', 'member'] as const;
const at = (kind: LockedConversation['kind'], policy: LockedConversation['policy'] = {}) =>
  ({ kind, policy }) as LockedConversation;
const allowed = (role: string, kind: LockedConversation['kind']) =>
  (Object.keys(permissions) as Action[]).filter((action) => may(role, action, at(kind)));

it('lets members take part, admins lead, and the creator do everything', () => {
  expect(allowed('member', 'group')).toEqual(['write', 'draw', 'react', 'leave']);
  expect(allowed('admin', 'group')).toEqual([
    'write',
    'draw',
    'react',
    'pin',
    'deleteOthers',
    'webhooks',
    'invite',
    'remove',
    'mute',
    'ban',
    'describe',
    'leave',
  ]);
  expect(allowed('creator', 'group')).toEqual(Object.keys(permissions));
});

it('leaves members of a channel no more than reacting and leaving', () => {
  expect(allowed('member', 'channel')).toEqual(['react', 'leave']);
  expect(allowed('admin', 'channel')).toEqual(allowed('admin', 'group'));
});

it('lets nobody change what a direct conversation is', () => {
  expect(allowed('creator', 'direct')).toEqual(['write', 'draw', 'react', 'pin', 'deleteOthers', 'webhooks']);
});

it('lets members invite where the policy says so, and never into a direct conversation', () => {
  expect(may('member', 'invite', at('group', { membersInvite: true }))).toBe(true);
  expect(may('member', 'invite', at('group', { membersInvite: false }))).toBe(false);
  expect(may('creator', 'invite', at('direct', { membersInvite: true }))).toBe(false);
});

it('lets strangers do nothing', () => {
  for (const action of Object.keys(permissions) as Action[])
    expect(may(null, action, at('group', { membersInvite: true }))).toBe(false);
});

it('answers what a role may not do with forbidden before muted, and lets the muted leave', () => {
  const muted = (role: string, action: Action) =>
    refusalTo(action, { conversation: at('group'), standing: { role, status: 'muted' } })?.code;
  expect([muted('member', 'pin'), muted('member', 'write'), muted('admin', 'pin'), muted('member', 'leave')]).toEqual([
    'forbidden',
    'muted',
    'muted',
    undefined,
  ]);
});

it('answers so too where a command is several actions at once', () => {
  expect(() =>
    demand(['invite', 'promote'], { conversation: at('group'), standing: { role: 'admin', status: 'muted' } }),
  ).toThrow(expect.objectContaining({ code: 'forbidden' }));
  expect(() =>
    demand(['invite', 'promote'], { conversation: at('group'), standing: { role: 'creator', status: 'muted' } }),
  ).toThrow(expect.objectContaining({ code: 'muted' }));
});

it('keeps admins from each other and from the creator', () => {
  expect(roles.map((role) => roles.filter((other) => outranks(role, other)))).toEqual([
    ['admin', 'member'],
    ['member'],
    [],
  ]);
});

it('docs/permissions.md is what the table says', async () => {
  const meanings: Record<Action, string> = {
    write: 'send and edit messages',
    draw: 'draw on the board and empty it',
    react: 'react to messages',
    pin: 'pin and unpin messages',
    deleteOthers: 'delete messages of others',
    webhooks: 'have webhooks',
    invite: 'add members',
    remove: 'remove members',
    mute: 'mute and unmute',
    ban: 'ban and unban',
    promote: 'make admins, and members of them again',
    handOver: 'hand the conversation over',
    describe: 'change title, topic, colour and policy',
    publish: 'make it public or private',
    delete: 'delete the conversation',
    leave: 'leave',
  };
  const who = (action: Action, kind: LockedConversation['kind']) =>
    roles.filter((role) => may(role, action, at(kind))).join(', ') || 'nobody';
  const rows = (Object.keys(permissions) as Action[]).map(
    (action) =>
      `| ${meanings[action]} | ${who(action, 'direct')} | ${who(action, 'group')} | ${who(action, 'channel')} |`,
  );
  await expect(`# Who may do what

Printed from \`apps/messages/src/permissions.ts\` (\`npm test -- apps/messages/src/permissions.spec.ts -u\` prints it anew).

| | direct | group | channel |
| --- | --- | --- | --- |
${rows.join('\n')}

- Both people of a direct conversation are its creators.
- Members add members where the policy has \`membersInvite\`.
- Whom somebody removes, mutes or bans has a lower role: admins touch neither the creator nor each other.
- Whoever is muted reads, gives receipts and may leave, nothing else; a role that may not do something is told so first (\`forbidden\`, not \`muted\`).
- Everybody edits and deletes their own messages; nobody edits another's.
`).toMatchFileSnapshot('../../../docs/permissions.md');
});
