/**
 * What one writes in an afternoon, to compare with: one process, Socket.IO, one awaited INSERT per message. No order, no idempotence, no membership, no
 * catch-up, no second process. It answers in the shapes of our protocol so that the same clients can drive it.
 */
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Server } from 'socket.io';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
await pool.query('create table if not exists message (id uuid primary key, conversation_id uuid not null, sender_id uuid not null, client_id text not null, body text not null, created_at timestamptz not null default now())');

const http = createServer((_request, response) => void response.end('ok'));
const io = new Server(http, { perMessageDeflate: false });
const conversations = new Map<string, readonly string[]>();
type Answer = (answer: unknown) => void;

io.on('connection', (socket) => {
  const userId = String(socket.handshake.auth['token']);
  void socket.join(`user:${userId}`);

  socket.on('conversation:create', ({ memberIds }: { memberIds: string[] }, answer: Answer) => {
    const id = randomUUID();
    conversations.set(id, [userId, ...memberIds]);
    answer({ ok: true, data: { conversation: { id } } });
  });

  socket.on('message:send', async ({ conversationId, clientId, body }: { conversationId: string; clientId: string; body: string }, answer: Answer) => {
    const id = randomUUID();
    const { rows } = await pool.query<{ created_at: Date }>(
      'insert into message (id, conversation_id, sender_id, client_id, body) values ($1, $2, $3, $4, $5) returning created_at',
      [id, conversationId, userId, clientId, body],
    );
    const message = { id, conversationId, senderId: userId, clientId, body, createdAt: rows[0]!.created_at };
    answer({ ok: true, data: { message } });
    io.to((conversations.get(conversationId) ?? []).map((member) => `user:${member}`)).emit('message:new', { message });
  });

  socket.emit('session:ready', {});
});

http.listen(Number(process.env['PORT']), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
