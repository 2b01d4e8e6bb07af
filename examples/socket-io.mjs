// Two guests chat, with socket.io-client alone: node examples/socket-io.mjs [http://localhost:3000]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://localhost:3000';
const guest = async (displayName) => {
  const response = await fetch(`${url}/api/v1/auth/guest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ displayName }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.code}: ${answer.title}`);
  return answer;
};
const connect = ({ accessToken }) => io(url, { auth: { token: accessToken }, transports: ['websocket'] });
const call = async (socket, event, payload) => {
  const answer = await socket.timeout(10_000).emitWithAck(event, payload);
  if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return answer.data;
};

const [ann, ben] = await Promise.all([guest('Ann Example'), guest('Ben Example')]);
const [annSocket, benSocket] = [connect(ann), connect(ben)];
await Promise.all(
  [annSocket, benSocket].map((socket) => new Promise((resolve) => void socket.once('session:ready', resolve))),
);
const received = new Promise((resolve) => void benSocket.once('message:new', ({ message }) => resolve(message)));
const { conversation } = await call(annSocket, 'conversation:create', { kind: 'direct', memberIds: [ben.user.id] });
const { message } = await call(annSocket, 'message:send', {
  conversationId: conversation.id,
  clientId: crypto.randomUUID(),
  body: 'Hello, Ben',
});
console.log(`stored as #${message.seq}`);
console.log(`Ben hears: ${(await received).body}`);
for (const socket of [annSocket, benSocket]) socket.disconnect();
