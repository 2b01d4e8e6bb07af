interface Policies {
  createPolicy(name: string, rules: { createScriptURL(): string }): { createScriptURL(text: string): string };
}

/** Has the browser keep the app, so that it opens while the server is away too. Where the browser can't, or may not, it opens as any page. */
export function keepPage(): void {
  // After what the page itself needs.
  if ('serviceWorker' in navigator) addEventListener('load', () => void register().catch(() => undefined));
}

async function register(): Promise<void> {
  // The one address of a script that the page's policy lets be made of a text, and it is always this one.
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  await navigator.serviceWorker.register(
    policies?.createPolicy('parley-worker', { createScriptURL: () => '/sw.js' }).createScriptURL('') ?? '/sw.js',
  );
}
