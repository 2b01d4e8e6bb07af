/** An embedded server, a browser, and people in front of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatClient, startEmbedded, uniqueName, type ServiceProcess } from '@parley/testing';
import { launchBrowser, type Browser, type BrowserContext, type Page } from '@parley/testing/browser';

export interface Size {
  readonly width: number;
  readonly height: number;
}
export const desktop: Size = { width: 1280, height: 800 };
export const phone: Size = { width: 390, height: 844 };
export const password = 'correct horse battery';

/** Somebody with a browser window of their own, nothing of which is shared with the others. */
export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly name: string;
}

export class WebStage {
  /** What pages complained of: errors of scripts, and what the page's policy refused. */
  readonly complaints: string[] = [];
  private readonly contexts: BrowserContext[] = [];

  private constructor(
    private readonly dataDir: string,
    public server: ServiceProcess,
    readonly browser: Browser,
  ) {}

  static async open(): Promise<WebStage> {
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-web-'));
    const server = await startEmbedded({ dataDir });
    return new WebStage(dataDir, server, await launchBrowser());
  }

  get url(): string {
    return this.server.url;
  }

  async page(size: Size = desktop, path = '/'): Promise<{ page: Page; context: BrowserContext }> {
    const context = await this.browser.newContext({
      viewport: size,
      reducedMotion: 'reduce',
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    context.setDefaultTimeout(15_000);
    this.contexts.push(context);
    const page = await context.newPage();
    page.on('pageerror', ({ message }) => this.complaints.push(message));
    page.on('console', (entry) => {
      if (entry.type() === 'error' && /Content Security Policy|TrustedHTML|Trusted|Uncaught|React/i.test(entry.text()))
        this.complaints.push(entry.text());
    });
    await page.goto(this.url + path);
    return { page, context };
  }

  /** Somebody who is logged in from the beginning, which takes less than a form: in a window, and, not connected, as `client`. */
  async visitor(displayName: string, size: Size = desktop): Promise<Visitor & { readonly client: ChatClient }> {
    const client = await ChatClient.register(this.url, { displayName });
    const { page, context } = await this.page(size, '/favicon.svg');
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
    await page.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    return { page, context, name: displayName, client };
  }

  /** Registers by the page's form. */
  async register(name: string, size?: Size): Promise<Visitor & { readonly username: string }> {
    const username = uniqueName(name.toLowerCase().replaceAll(/\W+/g, ''));
    const { page, context } = await this.page(size);
    await page.getByRole('button', { name: 'Create account' }).first().click();
    await page.getByLabel('Your name').fill(name);
    await page.getByLabel('Username').fill(username);
    await page.getByLabel('Password').fill(password);
    await page.locator('form').getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    return { page, context, name, username };
  }

  async logIn(username: string, size?: Size): Promise<{ page: Page; context: BrowserContext }> {
    const opened = await this.page(size);
    await opened.page.getByLabel('Username').fill(username);
    await opened.page.getByLabel('Password').fill(password);
    await opened.page.locator('form').getByRole('button', { name: 'Log in' }).click();
    await opened.page.getByRole('navigation', { name: 'Parts of Parley' }).waitFor();
    return opened;
  }

  async killServer(): Promise<void> {
    await this.server.kill();
  }

  async startServer(): Promise<void> {
    this.server = await startEmbedded({ dataDir: this.dataDir, env: { PORT: new URL(this.url).port } });
  }

  /** Closes the windows of one test. */
  async leave(): Promise<void> {
    for (const context of this.contexts.splice(0)) await context.close();
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** Writes and sends. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

/** The row of a message with this text. */
export const row = (page: Page, text: string) => page.locator('.message', { hasText: text });
/** How far one's own message has got: `queued`, `sending`, `sent`, `delivered`, `read`. */
export const tick = (page: Page, text: string, status: string) => row(page, text).locator(`[data-status=${status}]`);
/** The conversation in the list. */
export const talk = (page: Page, title: string) =>
  page.getByRole('navigation', { name: 'Your conversations' }).getByRole('link', { name: title });

export async function writeTo(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('searchbox', { name: 'Search people by name' }).fill(name);
  await page.getByRole('dialog').getByRole('button', { name }).click();
  await page.getByRole('log', { name: 'Messages' }).waitFor();
}
