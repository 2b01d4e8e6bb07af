import { ChatClient, uniqueName } from '@parley/testing';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from '@parley/testing/browser';

export interface Size {
  readonly width: number;
  readonly height: number;
}
/** What a device has beside its size. */
export type Device = Pick<BrowserContextOptions, 'hasTouch' | 'isMobile' | 'deviceScaleFactor'>;
export const desktop: Size = { width: 1280, height: 800 };
export const phone: Size = { width: 390, height: 844 };
export const password = 'correct horse battery';

/** A browser window with a profile of its own. */
export interface Window {
  readonly page: Page;
  readonly context: BrowserContext;
}

/** A signed-in user in a window. */
export interface Visitor extends Window {
  readonly name: string;
}

/** A browser in front of a server, with users in its windows. */
export class TestBrowser {
  /** Errors of the pages' scripts, and actions that a page's security policy refused. */
  readonly pageErrors: string[] = [];
  private readonly contexts: BrowserContext[] = [];

  constructor(
    readonly browser: Browser,
    readonly url: string,
  ) {}

  /** Opens a window. */
  async open(size: Size = desktop, path = '/', device: Device = {}, locale = 'en-GB'): Promise<Window> {
    const context = await this.browser.newContext({
      ...device,
      viewport: size,
      reducedMotion: 'reduce',
      locale,
      timezoneId: 'UTC',
    });
    context.setDefaultTimeout(15_000);
    this.contexts.push(context);
    const page = await context.newPage();
    page.on('pageerror', ({ message }) => this.pageErrors.push(message));
    page.on('console', (entry) => {
      if (entry.type() === 'error' && /Content Security Policy|TrustedHTML|Trusted|Uncaught|React/i.test(entry.text()))
        this.pageErrors.push(entry.text());
    });
    await page.goto(this.url + path);
    return { page, context };
  }

  /** Opens a window for a new user who is signed in already. `client` is the same session, not connected. */
  async visitor(
    displayName: string,
    size: Size = desktop,
    device: Device = {},
    locale?: string,
  ): Promise<Visitor & { readonly client: ChatClient }> {
    const client = await ChatClient.register(this.url, { displayName });
    const { page, context } = await this.open(size, '/favicon.svg', device, locale);
    await page.evaluate(
      ([name, session]) =>
        new Promise<void>((resolve, reject) => {
          const opening = indexedDB.open(name);
          opening.onupgradeneeded = () => void opening.result.createObjectStore('values');
          opening.onsuccess = () => {
            const writing = opening.result.transaction('values', 'readwrite');
            writing.objectStore('values').put(session, 'session');
            writing.oncomplete = () => (opening.result.close(), resolve());
            writing.onerror = () => reject(writing.error!);
          };
        }),
      [`parley ${this.url}`, client.session] as const,
    );
    await page.goto(this.url);
    await page.locator('.rail').waitFor();
    return { page, context, name: displayName, client };
  }

  /** Registers a user by the page's form. */
  async register(name: string, size?: Size): Promise<Visitor & { readonly username: string }> {
    const username = uniqueName(name.toLowerCase().replaceAll(/\W+/g, ''));
    const { page, context } = await this.open(size);
    await page.getByRole('button', { name: 'Create account' }).first().click();
    await page.getByLabel('Your name').fill(name);
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.locator('form').getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    return { page, context, name, username };
  }

  /** Logs a user in by the page's form. */
  async logIn(username: string, size?: Size): Promise<Window> {
    const window = await this.open(size);
    await window.page.getByLabel('Username').fill(username);
    await window.page.getByLabel('Password').fill(password);
    await window.page.locator('form').getByRole('button', { name: 'Log in' }).click();
    await window.page.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    return window;
  }

  /** A new user without a browser, connected. */
  async client(displayName: string): Promise<ChatClient> {
    const client = await ChatClient.register(this.url, { displayName });
    await client.connect();
    return client;
  }

  /** Closes all windows. */
  async closeWindows(): Promise<void> {
    for (const context of this.contexts.splice(0)) await context.close();
  }
}

/** Writes a text into the composer and sends it. */
export async function sendText(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

/** Sends a message by a client. */
export const sendBy = (client: ChatClient, conversationId: string, body: string) =>
  client.call('message.send', { conversationId, clientId: uniqueName('m'), body });

/** The row of a message with this text. */
export const messageRow = (page: Page, text: string): Locator => page.locator('.message', { hasText: text });

/** The tick of the user's own message: `queued`, `sending`, `sent`, `delivered`, `read`. */
export const tick = (page: Page, text: string, status: string): Locator =>
  messageRow(page, text).locator(`[data-status=${status}]`);

/** The tick of a message that is stored, whether or not it has been delivered. */
export const storedTick = (page: Page, text: string): Locator =>
  tick(page, text, 'sent').or(tick(page, text, 'delivered'));

/** The link of a conversation in the list. */
export const conversationLink = (page: Page, title: string): Locator =>
  page.getByRole('navigation', { name: 'Your chats' }).getByRole('link', { name: title });

/** The id of the open conversation. */
export const openConversationId = (page: Page): string => new URL(page.url()).pathname.split('/').at(-1)!;

/** Starts a direct conversation by the dialog for new chats. */
export async function startConversation(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('searchbox', { name: 'Search people by name' }).fill(name);
  await page.getByRole('dialog').getByRole('button', { name }).click();
  await page.getByRole('log', { name: 'Messages' }).waitFor();
}

/** Creates a visitor's direct conversation with another user, and opens it in the visitor's window. */
export async function openConversation(
  { page, client }: { readonly page: Page; readonly client: ChatClient },
  { user }: ChatClient,
): Promise<void> {
  await client.http('conversation.create', { kind: 'direct', memberIds: [user.id] });
  await conversationLink(page, user.displayName).click();
  await page.getByRole('log', { name: 'Messages' }).waitFor();
}
