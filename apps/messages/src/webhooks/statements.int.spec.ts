import { newId, type Message } from '@parley/contracts';
import { engines, running } from '@parley/store/testing';
import { range } from '@parley/testing';
import { describe, expect, inject, it } from 'vitest';
import { defaultSettings } from '../config.js';
import { Service } from '../spec/service.js';
import { countStatements } from '../spec/statements.js';
import { Deliveries, WebhookEvents } from './deliveries.js';

describe.each(engines(inject('servers').databaseUrl, 'messages'))('webhooks on %s', (_, open) => {
  const on = running(open, (database) => Service.start(database));

  it('are looked up once for all messages of an event', async () => {
    const { database, asked } = countStatements(on.engine.database, () => true);
    const events = new WebhookEvents(new Deliveries(database, defaultSettings));
    const message = (seq: number): Message => ({
      id: newId(),
      conversationId: newId(),
      seq,
      rev: seq,
      senderId: newId(),
      clientId: String(seq),
      type: 'text',
      body: 'hello',
      attachments: [],
      mentions: [],
      reactions: [],
      createdAt: new Date().toISOString(),
    });
    await events.messageCreated({ messages: range(100).map((at) => message(at + 1)) });
    expect(asked()).toBe(1);
  });
});
