import { startNestService } from '@parley/broker';
import type { Running } from '@parley/service-kit';
import { AppModule, type MessagesParts } from './app.module.js';

/**
 * Serves the commands of the messages service. Resolves once its queues are consumed; `stop` ends the work under way
 * and leaves the parts open.
 */
export async function startMessages(parts: MessagesParts): Promise<Running> {
  const app = await startNestService(AppModule.register(parts), { ...parts, service: 'messages' });
  return { stop: () => app.close() };
}
