import type { ChatMessage, ConversationView } from '@parley/client';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import type { Directory } from '../text/directory.js';
import { dayOf, styledTextOf, textOf, timeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';

export interface Span {
  readonly text: string;
  readonly color?: string;
  readonly dim?: boolean;
  readonly bold?: boolean;
  readonly inverse?: boolean;
}

/** One line of the screen. Its key stays the same while messages are added and removed around it. */
export interface Row {
  readonly key: string;
  readonly spans: readonly Span[];
}

const colors = [
  'cyan',
  'green',
  'yellow',
  'magenta',
  'blue',
  'redBright',
  'cyanBright',
  'greenBright',
  'magentaBright',
] as const;
/** The columns of number, time and tick before each message. */
const MARGIN_COLUMNS = 15;

/** A user's colour, always the same. */
export const colorOf = (userId: string): string =>
  colors[Number.parseInt(userId.slice(-6), 16) % colors.length] ?? 'white';

export const wrap = (text: string, width: number): string[] =>
  wrapAnsi(text, Math.max(1, width), { hard: true, trim: false }).split('\n');

const ticks: Readonly<Record<ChatMessage['status'], Span>> = {
  queued: { text: '… ', dim: true },
  sending: { text: '… ', dim: true },
  failed: { text: '✗ ', color: 'red', bold: true },
  sent: { text: '✓ ', dim: true },
  delivered: { text: '✓✓', dim: true },
  read: { text: '✓✓', color: 'cyan' },
};

/** Lays messages out in rows of a width. A message's rows are cached until names or the width change. */
export class Layout {
  private readonly rows = new WeakMap<
    ChatMessage,
    { readonly quoted: ChatMessage | undefined; readonly rows: readonly Row[] }
  >();

  constructor(
    private readonly directory: Directory,
    private readonly ownId: string,
    private readonly width: number,
  ) {}

  /** `newFrom`: the `seq` of the first message that was unread when the conversation was opened. */
  of({ messages, hasBefore }: ConversationView, newFrom: number | undefined): Row[] {
    const byId = new Map(messages.map((message) => [message.id, message]));
    const rows: Row[] = hasBefore ? [] : [{ key: 'start', spans: [{ text: 'This is where it begins.', dim: true }] }];
    let day = '';
    let isMarked = newFrom === undefined;
    for (const message of messages) {
      const messageDay = dayOf(message.createdAt);
      if (messageDay !== day) rows.push(this.rule(`day ${messageDay}`, messageDay, 'gray'));
      day = messageDay;
      if (!isMarked && message.seq >= newFrom! && message.senderId !== this.ownId) {
        rows.push(this.rule('new', 'new', 'red'));
        isMarked = true;
      }
      rows.push(...this.rowsOf(message, message.replyTo === undefined ? undefined : byId.get(message.replyTo)));
    }
    return rows;
  }

  private rule(key: string, text: string, color: string): Row {
    return { key, spans: [{ text: `── ${text} ${'─'.repeat(Math.max(0, this.width - text.length - 4))}`, color }] };
  }

  private rowsOf(message: ChatMessage, quoted: ChatMessage | undefined): readonly Row[] {
    const cached = this.rows.get(message);
    if (cached && cached.quoted === quoted) return cached.rows;
    const rows = this.lines(message, quoted).map((spans, at): Row => ({
      key: `${message.senderId} ${message.clientId} ${at}`,
      spans,
    }));
    this.rows.set(message, { quoted, rows });
    return rows;
  }

  private lines(message: ChatMessage, quoted: ChatMessage | undefined): Span[][] {
    const own = message.senderId === this.ownId;
    const number: Span = { text: `${message.local ? '' : `#${message.seq}`}`.padStart(5).slice(-5), dim: true };
    const margin: Span[] = [
      number,
      { text: ` ${timeOf(message.createdAt)} `, dim: true },
      own && message.type !== 'system' ? ticks[message.status] : { text: '  ' },
      { text: '  ' },
    ];
    const [first = [], ...more] = this.body(message);
    const indented = (spans: Span[]): Span[] => [{ text: ' '.repeat(MARGIN_COLUMNS) }, ...spans];
    return [
      ...(message.replyTo === undefined ? [] : [indented([{ text: this.quote(quoted), dim: true }])]),
      [...margin, ...first],
      ...more.map(indented),
      ...this.footer(message).map((span) => indented([span])),
    ];
  }

  private quote(quoted: ChatMessage | undefined): string {
    if (!quoted) return '↳ an earlier message';
    const [line = ''] = wrap(
      `↳ #${quoted.seq} ${this.directory.name(quoted.senderId)}: ${inline(textOf(quoted, this.directory))}`,
      this.width - MARGIN_COLUMNS - 1,
    );
    return line;
  }

  private body(message: ChatMessage): Span[][] {
    const text = styledTextOf(message, this.directory);
    const width = this.width - MARGIN_COLUMNS;
    if (message.type === 'system') return wrap(`* ${text}`, width).map((line) => [{ text: line, dim: true }]);
    const name = `${this.directory.name(message.senderId)}: `;
    const style = message.deletedAt === undefined ? {} : { dim: true };
    const forwarded = message.forwardedFrom ? `(from ${this.directory.name(message.forwardedFrom.senderId)}) ` : '';
    return wrap(`${name}${forwarded}${text}`, width).map((line, at): Span[] =>
      at === 0 && line.startsWith(name)
        ? [
            { text: name, bold: true, color: colorOf(message.senderId) },
            { text: line.slice(name.length), ...style },
          ]
        : [{ text: line, ...style }],
    );
  }

  private footer({ reactions, editedAt, deletedAt, pinnedAt, local }: ChatMessage): Span[] {
    const marks = [
      ...(editedAt !== undefined && deletedAt === undefined ? ['edited'] : []),
      ...(pinnedAt === undefined ? [] : ['pinned']),
      ...reactions.map(({ emoji, count }) => `${inline(emoji)} ${count}`),
    ];
    const failure = local?.error
      ? [
          {
            text: `not sent, ${inline(`${local.error.code}: ${local.error.message}`)}; /retry or /discard`,
            color: 'red',
          },
        ]
      : [];
    return [...(marks.length > 0 ? [{ text: marks.join('  '), dim: true }] : []), ...failure];
  }
}

/** The beginning of a text that fits into a width. */
export function fit(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const [line = ''] = wrapAnsi(text, Math.max(1, width - 1), { hard: true, trim: false, wordWrap: false }).split('\n');
  return `${line}…`;
}
