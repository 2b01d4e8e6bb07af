import { expect, it } from 'vitest';
import type { Conversation } from '@parley/contracts';
import { may, outranks, permissionRefusal, permissions, requirePermission, type Action } from './access.js';

const roles = ['creator', 'admin', 'member'] as const;
const at = (kind: Conversation['kind'], policy: Conversation['policy'] = {}) => ({ kind, policy });
const allowed = (role: string, kind: Conversation['kind']) =>
  (Object.keys(permissions) as Action[]).filter((action) => may(role, action, at(kind)));

it('lets members write, admins manage, and the creator do everything', () => {
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

it('allows members of a channel only to react and to leave', () => {
  expect(allowed('member', 'channel')).toEqual(['react', 'leave']);
  expect(allowed('admin', 'channel')).toEqual(allowed('admin', 'group'));
});

it('lets nobody change the members or description of a direct conversation', () => {
  expect(allowed('creator', 'direct')).toEqual(['write', 'draw', 'react', 'pin', 'deleteOthers', 'webhooks']);
});

it('lets members invite with membersInvite', () => {
  expect(may('member', 'invite', at('group', { membersInvite: true }))).toBe(true);
  expect(may('member', 'invite', at('group', { membersInvite: false }))).toBe(false);
  expect(may('creator', 'invite', at('direct', { membersInvite: true }))).toBe(false);
});

it('allows strangers nothing', () => {
  for (const action of Object.keys(permissions) as Action[])
    expect(may(null, action, at('group', { membersInvite: true }))).toBe(false);
});

it('refuses with forbidden before muted', () => {
  const muted = (role: string, action: Action) =>
    permissionRefusal(action, { conversation: at('group'), member: { role, status: 'muted' } })?.code;
  expect([muted('member', 'pin'), muted('member', 'write'), muted('admin', 'pin'), muted('member', 'leave')]).toEqual([
    'forbidden',
    'muted',
    'muted',
    undefined,
  ]);
});

it('refuses with forbidden before muted for a command of several actions', () => {
  expect(() =>
    requirePermission(['invite', 'promote'], { conversation: at('group'), member: { role: 'admin', status: 'muted' } }),
  ).toThrow(expect.objectContaining({ code: 'forbidden' }));
  expect(() =>
    requirePermission(['invite', 'promote'], {
      conversation: at('group'),
      member: { role: 'creator', status: 'muted' },
    }),
  ).toThrow(expect.objectContaining({ code: 'muted' }));
});

it('keeps admins from acting on each other and on the creator', () => {
  expect(roles.map((role) => roles.filter((other) => outranks(role, other)))).toEqual([
    ['admin', 'member'],
    ['member'],
    [],
  ]);
});

it('prints docs/permissions.md from the table', async () => {
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
    changeVisibility: 'make it public or private',
    delete: 'delete the conversation',
    leave: 'leave',
  };
  const who = (action: Action, kind: Conversation['kind']) =>
    roles.filter((role) => may(role, action, at(kind))).join(', ') || 'nobody';
  const rows = (Object.keys(permissions) as Action[]).map(
    (action) =>
      `| ${meanings[action]} | ${who(action, 'direct')} | ${who(action, 'group')} | ${who(action, 'channel')} |`,
  );
  await expect(`# Who may do what

Printed from \`libs/chat/src/access.ts\` (\`npm test -- libs/chat/src/permissions.spec.ts -u\` prints it anew).

| | direct | group | channel |
| --- | --- | --- | --- |
${rows.join('\n')}

- Both people of a direct conversation are its creators.
- Members add members where the policy has \`membersInvite\`. Nobody adds users who block them, or ends their ban, and for a day nobody adds again those who left after they had added them.
- Users remove, mute and ban only members with a lower role: admins touch neither the creator nor each other.
- Muted members only read, send receipts and leave. A missing permission is reported before a mute (\`forbidden\`, not \`muted\`).
- Everybody edits and deletes their own messages; nobody edits another's. Under slow mode or a reaction gate, members edit for 5 minutes.
`).toMatchFileSnapshot('../../../docs/permissions.md');
});
