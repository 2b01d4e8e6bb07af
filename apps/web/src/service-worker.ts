import { basePath } from './shared/base-path.ts';

interface TrustedTypePolicies {
  createPolicy(name: string, rules: { createScriptURL(): string }): { createScriptURL(text: string): string };
}

/**
 * Registers the service worker, which keeps the app in the browser, so that it opens while the server is unavailable.
 * Without it the app opens as any page.
 */
export function registerServiceWorker(): void {
  // After the page has loaded what it needs.
  if ('serviceWorker' in navigator) addEventListener('load', () => void register().catch(() => undefined));
}

async function register(): Promise<void> {
  const address = `${basePath}/sw.js`;
  // The page's content security policy allows one trusted type policy, and that one makes this address only.
  const policies = (globalThis as { trustedTypes?: TrustedTypePolicies }).trustedTypes;
  await navigator.serviceWorker.register(
    policies?.createPolicy('parley-worker', { createScriptURL: () => address }).createScriptURL('') ?? address,
  );
}
