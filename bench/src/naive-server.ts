/**
 * A peer for comparison, as one might write it in an afternoon: Socket.IO and one awaited INSERT per message. No order,
 * no idempotence, no membership, no catch-up. With REDIS_URL it can run in several processes, by Socket.IO's Redis
 * adapter. Without DATABASE_URL it stores nothing and measures Socket.IO alone. It answers in the shapes of our
 * protocol, so that the same clients can drive it.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import pg from 'pg';
import { Server } from 'socket.io';

const { DATABASE_URL, REDIS_URL, PORT } = process.env;
const pool = DATABASE_URL === undefined ? undefined : new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
const redis = (): Redis => new Redis(REDIS_URL!);

const http = createServer((_request, response) => void response.end('ok'));
const io = new Server(http, {
  perMessageDeflate: false,
  ...(REDIS_URL !== undefined && { adapter: createAdapter(redis(), redis()) }),
});
type Answer = (answer: unknown) => void;

async function store(conversationId: string, senderId: string, clientId: string, body: string): Promise<object> {
  const id = randomUUID();
  const rows = await pool?.query<{ created_at: Date }>(
    'insert into message (id, conversation_id, sender_id, client_id, body) values ($1, $2, $3, $4, $5) returning created_at',
    [id, conversationId, senderId, clientId, body],
  );
  return { id, conversationId, senderId, clientId, body, createdAt: rows?.rows[0]!.created_at ?? new Date() };
}

io.on('connection', (socket) => {
  const userId = String(socket.handshake.auth['token']);
  void socket.join(`user:${userId}`);

  socket.on('conversation:create', ({ memberIds }: { memberIds: string[] }, answer: Answer) => {
    const id = randomUUID();
    io.in([userId, ...memberIds].map((member) => `user:${member}`)).socketsJoin(id);
    answer({ ok: true, data: { conversation: { id } } });
  });

  socket.on(
    'message:send',
    async (
      { conversationId, clientId, body }: { conversationId: string; clientId: string; body: string },
      answer: Answer,
    ) => {
      const message = await store(conversationId, userId, clientId, body);
      answer({ ok: true, data: { message } });
      io.to(conversationId).emit('message:new', { message });
    },
  );

  // The cost of an empty call.
  socket.on('presence:heartbeat', (_payload: unknown, answer: Answer) => answer({ ok: true, data: {} }));

  socket.emit('session:ready', {});
});

http.listen(Number(PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
