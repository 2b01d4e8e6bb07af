import { ParleyError, type ParleyClient } from '@parley/client';
import { ParleyProvider } from '@parley/client/react';
import { render } from 'ink';
import type { Directory } from '../text/directory.js';
import type { Options } from '../options.js';
import { App } from './app.js';
import { Composer } from './composer.js';
import { ScreenState } from './screen-state.js';

/**
 * Runs the full screen. Resolves with the exit code when the user leaves, and rejects when the server ends the session.
 * The terminal is then as it was before.
 */
export async function runScreen(
  client: ParleyClient,
  directory: Directory,
  { to }: Pick<Options, 'to'>,
): Promise<number> {
  const target = to === undefined ? undefined : await directory.conversation(to);
  const state = new ScreenState(client, directory, () => instance.unmount());
  if (target) state.select(target.id);
  const instance = render(
    <ParleyProvider client={client}>
      <App state={state} composer={new Composer()} />
    </ParleyProvider>,
    { alternateScreen: true, interactive: true, incrementalRendering: true },
  );
  const leave = () => instance.unmount();
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  try {
    await instance.waitUntilExit();
  } finally {
    state.close();
  }
  if (state.endReason === undefined) return 0;
  throw new ParleyError('unauthenticated', state.endReason);
}
