import type { Message } from '@parley/client';
import type { ServerEvent } from '@parley/contracts';
import { useEffect, useState } from 'react';
import { useChat, useClient } from '../shared/chat.ts';

/**
 * The message that number `seq` answers, loaded or not. Undefined until it is found, and while that is not possible.
 * An answer that waits to be sent has no number yet.
 */
export function useQuoted(conversationId: string, messageId: string, seq: number): Message | undefined {
  const client = useClient();
  const loaded = useChat(({ conversations }) =>
    conversations.get(conversationId)?.messages.find(({ id }) => id === messageId),
  );
  const online = useChat(({ connection }) => connection === 'online');
  const [found, setFound] = useState<Message>();
  const isMissing = loaded === undefined && seq > 0;
  useEffect(() => {
    if (!isMissing || !online) return undefined;
    let current = true;
    client.findMessage(conversationId, messageId, seq).then(
      (message) => current && message && setFound(message),
      // It stays “an earlier message”.
      () => undefined,
    );
    const stop = client.on('server', ({ event, payload }) => {
      if (event !== 'message:updated') return;
      const { message } = payload as ServerEvent<'message:updated'>;
      if (message.id === messageId) setFound(message);
    });
    return () => {
      current = false;
      stop();
    };
  }, [client, conversationId, messageId, seq, isMissing, online]);
  return loaded ?? (found?.id === messageId ? found : undefined);
}
