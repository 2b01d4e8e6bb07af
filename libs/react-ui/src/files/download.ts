import type { ParleyClient } from '@parley/client';
import type { Attachment } from '@parley/contracts';
import { linkTo } from './links.ts';

/**
 * Saves a file under its own name. It is never opened as a page. From the page's own server the browser loads it by
 * itself, however large it is; of another server's file it would show a picture instead of saving it.
 */
export async function download(client: ParleyClient, attachment: Attachment): Promise<void> {
  const address = await linkTo(client, attachment);
  if (new URL(address).origin === location.origin) return save(address, attachment.name);
  const url = URL.createObjectURL(await client.fetchAttachment(attachment.id));
  save(url, attachment.name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function save(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
