import { basePath } from './base-path.ts';

/** Whether the server's page loads another script than this page did. */
export async function serverHasAnotherVersion(): Promise<boolean> {
  const script = document.querySelector('script[type=module][src]')?.getAttribute('src')?.split('/').at(-1);
  if (!script) return false;
  // The service worker answers `/` with its own copy, but no request for another address of the page.
  const answer = await fetch(`${basePath}/rooms`, { cache: 'no-store' }).catch(() => undefined);
  return answer?.ok === true && !(await answer.text().catch(() => script)).includes(script);
}
