import { startNestService } from '@parley/broker';
import type { Running } from '@parley/service-kit';
import { AppModule, type HistoryParts } from './app.module.js';

/**
 * Serves the questions, receipts and search of the history service. Resolves once its queues are consumed; `stop` ends
 * the work under way and leaves the parts open.
 */
export async function startHistory(parts: HistoryParts): Promise<Running> {
  const app = await startNestService(AppModule.register(parts), { ...parts, service: 'history' });
  return { stop: () => app.close() };
}
