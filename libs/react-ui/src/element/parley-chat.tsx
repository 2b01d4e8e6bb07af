import { createClient, memoryStorage, ParleyError, type ParleyClient } from '@parley/client';
import { createRoot, type Root } from 'react-dom/client';
import { Chat, type ChatProps } from '../chat/chat.tsx';
import { languageFor, loadStrings } from '../strings/languages.ts';
import { withTexts, type Partially, type Strings } from '../strings/strings.tsx';
import { themes, type Theme } from '../styles/themes.ts';
import styles from '../styles.css?inline';

// Apart from its use: the bundler would take both together for the address of a file to include.
const moduleAddress = import.meta.url;
/** The server that this module was loaded from, as `/embed/parley-chat.js`. */
const ownServer = new URL('..', moduleAddress).href;

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/** What the element tells in `error`: `unauthenticated` asks for a new token. */
export interface ParleyChatError {
  readonly code: string;
  readonly message: string;
}

const sheets = new Map<string, CSSStyleSheet>();
/** Sheets are made by script, not by markup: no policy of the page needs to allow inline styles. */
function sheetOf(css: string): CSSStyleSheet {
  const present = sheets.get(css);
  if (present) return present;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  sheets.set(css, sheet);
  return sheet;
}
const hostStyles = ':host { display: block; height: 100%; min-height: 320px; } :host([hidden]) { display: none; }';

/**
 * `<parley-chat url token conversation theme lang>`: the whole chat as an element. `url`: the server, by default the one
 * that the module comes from. `token`: an access token of the user's session. It signs in with it, and shows nothing of a
 * user when it is taken away; a new token of the same user continues where the old one ended.
 *
 * Events: `ready` when the user is signed in (`detail.userId`), `unread` when the number of unread messages changes
 * (`detail.count`), `conversation` when another one is shown (`detail.id`), `error` ({@link ParleyChatError}).
 */
export class ParleyChatElement extends HTMLElement {
  static readonly observedAttributes = ['url', 'token', 'conversation', 'theme', 'lang'];
  private readonly shadow = this.attachShadow({ mode: 'open' });
  private root: Root | undefined;
  private url: string | undefined;
  private client: ParleyClient | undefined;
  private signedInWith: string | undefined;
  private strings: Strings | undefined;
  private replacedTexts: Partially<Strings> | undefined;
  private unread: number | undefined;
  private whileSignedOut: ChatProps['whileSignedOut'] = 'signedOut';
  private updating = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** Ends what the present client and token have begun. */
  private session = new AbortController();

  constructor() {
    super();
    this.shadow.adoptedStyleSheets = [sheetOf(hostStyles), sheetOf(styles)];
  }

  /** Other texts in place of some of the language's. */
  get texts(): Partially<Strings> | undefined {
    return this.replacedTexts;
  }
  set texts(texts: Partially<Strings> | undefined) {
    this.replacedTexts = texts;
    this.update();
  }

  connectedCallback(): void {
    for (const event of ['online', 'focus'] as const) addEventListener(event, this.wake);
    document.addEventListener('visibilitychange', this.wake);
    this.update();
  }

  disconnectedCallback(): void {
    // An element that is moved is connected again in the same turn.
    queueMicrotask(() => {
      if (this.isConnected) return;
      for (const event of ['online', 'focus'] as const) removeEventListener(event, this.wake);
      document.removeEventListener('visibilitychange', this.wake);
      this.close();
    });
  }

  attributeChangedCallback(): void {
    this.update();
  }

  private wake = (): void => {
    if (document.visibilityState === 'visible') this.client?.wake();
  };

  /** Attributes that change together count as one change. */
  private update(): void {
    if (this.updating) return;
    this.updating = true;
    queueMicrotask(() => {
      this.updating = false;
      if (this.isConnected) void this.apply();
    });
  }

  private async apply(): Promise<void> {
    const url = this.getAttribute('url') ?? ownServer;
    const token = this.getAttribute('token') || undefined;
    const client = this.clientOf(url);
    if (!client) return;
    if (token !== this.signedInWith) {
      this.signedInWith = token;
      this.session.abort();
      this.session = new AbortController();
      this.whileSignedOut = token === undefined ? 'signedOut' : 'loading';
      if (token !== undefined) this.signIn(client, token, this.session.signal, FIRST_RETRY_MS);
      else if (client.getState().user) void client.logout();
    }
    const wanted = this.getAttribute('lang') ?? this.parentElement?.closest<HTMLElement>('[lang]')?.lang;
    this.strings = await loadStrings(languageFor(wanted ? [wanted] : navigator.languages));
    this.render();
  }

  private render(): void {
    if (!this.client || !this.isConnected) return;
    this.root ??= createRoot(this.shadow);
    const theme = this.getAttribute('theme');
    this.root.render(
      <Chat
        key={this.client.url}
        client={this.client}
        conversationId={this.getAttribute('conversation') ?? undefined}
        theme={themes.find((name) => name === theme) satisfies Theme | undefined}
        strings={this.strings && withTexts(this.strings, this.replacedTexts)}
        whileSignedOut={this.whileSignedOut}
        onConversation={this.tellConversation}
      />,
    );
  }

  /** The client of a server. Another address ends the present one. Undefined if it is no address. */
  private clientOf(url: string): ParleyClient | undefined {
    if (url === this.url) return this.client;
    this.close();
    this.url = url;
    try {
      const next = createClient({ url: new URL(url, document.baseURI).href, storage: memoryStorage() });
      this.client = next;
      next.subscribe(() => this.client === next && this.countUnread(next));
      next.on('error', (error) => this.client === next && this.fail(error));
      next.on('revoked', ({ reason }) => {
        if (this.client !== next) return;
        // The session goes on; the user has too many connections.
        if (reason === 'too_many') return this.fail({ code: 'too_many', message: 'too many connections of this user' });
        this.whileSignedOut = 'expired';
        this.fail({ code: 'unauthenticated', message: `the session has ended: ${reason}` });
        this.render();
      });
      return next;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  private signIn(client: ParleyClient, token: string, ended: AbortSignal, retryMs: number): void {
    client.bot(token).then(
      (user) => ended.aborted || this.tell('ready', { userId: user.id }),
      (error: unknown) => {
        if (ended.aborted) return;
        this.fail(error);
        if (error instanceof ParleyError && error.code !== 'unavailable') {
          // Nothing of the user before is shown under a token that is refused.
          this.whileSignedOut = 'expired';
          void client.logout();
          return this.render();
        }
        this.retryTimer = setTimeout(
          () => this.signIn(client, token, ended, Math.min(MAX_RETRY_MS, retryMs * 2)),
          retryMs,
        );
      },
    );
    ended.addEventListener('abort', () => clearTimeout(this.retryTimer));
  }

  /** Ends the connection, and forgets the user. */
  private close(): void {
    this.session.abort();
    this.root?.unmount();
    this.client?.disconnect();
    this.root = this.client = this.url = this.signedInWith = this.unread = undefined;
  }

  private countUnread(client: ParleyClient): void {
    const { conversations, user } = client.getState();
    if (!user) return;
    let count = 0;
    for (const { conversation, unread } of conversations.values())
      if (conversation.me?.notifications !== 'none') count += unread;
    if (count === this.unread) return;
    this.unread = count;
    this.tell('unread', { count });
  }

  private tellConversation = (id: string | undefined): void => this.tell('conversation', { id });

  private fail(error: unknown): void {
    const { code = 'internal', message = String(error) } = error as Partial<ParleyChatError>;
    this.tell('error', { code, message } satisfies ParleyChatError);
  }

  private tell(type: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

if (!customElements.get('parley-chat')) customElements.define('parley-chat', ParleyChatElement);

declare global {
  interface HTMLElementTagNameMap {
    'parley-chat': ParleyChatElement;
  }
}
