import type { Conversation, Member, Message } from '@parley/contracts';

export const AT = '2026-01-01T00:00:00.000Z';

export const user = (id: string) => ({ id, username: id, displayName: id, kind: 'person' as const, createdAt: AT });

export const member = (userId: string, role: Member['role'] = 'member', seq = 0): Member => ({
  userId,
  role,
  status: 'active',
  joinedAt: AT,
  readSeq: seq,
  deliveredSeq: seq,
});

export const message = (seq: number, rev = seq + 1, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  conversationId: 'c',
  seq,
  rev,
  senderId: 'ann',
  clientId: `c${seq}`,
  type: 'text',
  body: `${seq}`,
  attachments: [],
  mentions: [],
  createdAt: AT,
  reactions: [],
  ...more,
});

export const conversation = (rev: number, more: Partial<Conversation> = {}, unread = 0, readSeq = 0): Conversation => ({
  id: 'c',
  kind: 'group',
  visibility: 'private',
  createdBy: 'ann',
  createdAt: AT,
  lastSeq: 0,
  rev,
  memberCount: 2,
  policy: {},
  me: { role: 'member', status: 'active', readSeq, deliveredSeq: readSeq, unread, mentions: 0, notifications: 'all' },
  ...more,
});

export const page = (items: Message[], lastSeq = items.at(-1)?.seq ?? 0) => ({
  items,
  lastSeq,
  hasBefore: (items[0]?.seq ?? 1) > 1,
  hasAfter: (items.at(-1)?.seq ?? lastSeq) < lastSeq,
});
