import type { ParleyClient } from '@parley/client';
import { draftsOf, undoQueueOf } from '@parley/react-ui/parts';

/** Ends the session. Nothing that the user wrote stays in this browser. */
export async function logOut(client: ParleyClient): Promise<void> {
  const userId = client.getState().user?.id;
  if (userId === undefined) return;
  const drafts = draftsOf(client);
  await undoQueueOf(client).commit();
  // First while the token is valid, so that uploads are given up at the server, too.
  await drafts.erase(userId);
  await client.logout();
  await drafts.erase(userId);
}
