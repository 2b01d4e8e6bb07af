// A bot that answers in each of its conversations:
//   PARLEY_BOT_TOKEN=… node examples/bot.mjs [http://localhost:3000]
// A person creates it by POST /api/v1/bots, which shows its token once, and adds it to conversations as a member.
import { createClient } from '@parley/client';
import { fileStorage } from '@parley/client/node';

const token = process.env.PARLEY_BOT_TOKEN;
if (!token) throw new Error('PARLEY_BOT_TOKEN is missing');
// The bot's messages are on the disk until the server has stored them.
const client = createClient({
  url: process.argv[2] ?? 'http://localhost:3000',
  storage: fileStorage(process.env.PARLEY_BOT_FOLDER ?? './bot-data'),
});

client.on('message', ({ message }) => {
  client.markRead(message.conversationId, message.seq);
  if (message.type === 'text' && message.body.startsWith('!echo '))
    client.send(message.conversationId, { body: message.body.slice('!echo '.length), replyTo: message.id });
});
client.on('connection', ({ state }) => console.log(state));
client.on('error', (error) => console.error(`${error.code}: ${error.message}`));

const me = await client.bot(token);
console.log(`I am ${me.username}`);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.disconnect());
