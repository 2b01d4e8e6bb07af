import { ParleyError, type ParleyClient } from '@parley/client';
import { ParleyProvider } from '@parley/client/react';
import { render } from 'ink';
import type { Directory } from '../text/directory.js';
import type { Options } from '../options.js';
import { App } from './app.js';
import { Composer } from './composer.js';
import { Stage } from './screen-state.js';

/** The full screen. Resolves with the exit code when the user leaves, or when there is nothing to come back for; the terminal is then as it was. */
export async function runScreen(
  client: ParleyClient,
  directory: Directory,
  { to }: Pick<Options, 'to'>,
): Promise<number> {
  const target = to === undefined ? undefined : await directory.conversation(to);
  const stage = new Stage(client, directory, () => instance.unmount());
  if (target) stage.select(target.id);
  const instance = render(
    <ParleyProvider client={client}>
      <App stage={stage} composer={new Composer()} />
    </ParleyProvider>,
    { alternateScreen: true, interactive: true, incrementalRendering: true },
  );
  const leave = () => instance.unmount();
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  try {
    await instance.waitUntilExit();
  } finally {
    stage.close();
  }
  if (stage.ending === undefined) return 0;
  throw new ParleyError('unauthenticated', stage.ending);
}
