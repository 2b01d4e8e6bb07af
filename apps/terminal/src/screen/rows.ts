import type { ChatMessage, ConversationView } from '@parley/client';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import type { Directory } from '../text/directory.js';
import { dayOf, textOf, timeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';

export interface Span {
  readonly text: string;
  readonly color?: string;
  readonly dim?: boolean;
  readonly bold?: boolean;
  readonly inverse?: boolean;
}

/** One line of the screen. Keys stay the same while messages come and go around them. */
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
/** Number, time and tick before each message. */
const MARGIN = 15;

/** The same for somebody every time. */
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

/** Lays messages out in lines of a width. What a message looks like is worked out once, until names or the width change. */
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

  /** `newFrom`: the first message that was unread when the conversation was opened. */
  of({ messages, hasBefore }: ConversationView, newFrom: number | undefined): Row[] {
    const byId = new Map(messages.map((message) => [message.id, message]));
    const rows: Row[] = hasBefore ? [] : [{ key: 'start', spans: [{ text: 'This is where it begins.', dim: true }] }];
    let day = '';
    let marked = newFrom === undefined;
    for (const message of messages) {
      const itsDay = dayOf(message.createdAt);
      if (itsDay !== day) rows.push(this.rule(`day ${itsDay}`, itsDay, 'gray'));
      day = itsDay;
      if (!marked && message.seq >= newFrom! && message.senderId !== this.ownId) {
        rows.push(this.rule('new', 'new', 'red'));
        marked = true;
      }
      rows.push(...this.message(message, message.replyTo === undefined ? undefined : byId.get(message.replyTo)));
    }
    return rows;
  }

  private rule(key: string, text: string, color: string): Row {
    return { key, spans: [{ text: `── ${text} ${'─'.repeat(Math.max(0, this.width - text.length - 4))}`, color }] };
  }

  private message(message: ChatMessage, quoted: ChatMessage | undefined): readonly Row[] {
    const known = this.rows.get(message);
    if (known && known.quoted === quoted) return known.rows;
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
    const indented = (spans: Span[]): Span[] => [{ text: ' '.repeat(MARGIN) }, ...spans];
    return [
      ...(message.replyTo === undefined ? [] : [indented([{ text: this.quote(quoted), dim: true }])]),
      [...margin, ...first],
      ...more.map(indented),
      ...this.below(message).map((span) => indented([span])),
    ];
  }

  private quote(quoted: ChatMessage | undefined): string {
    if (!quoted) return '↳ an earlier message';
    const [line = ''] = wrap(
      `↳ #${quoted.seq} ${this.directory.name(quoted.senderId)}: ${inline(textOf(quoted, this.directory))}`,
      this.width - MARGIN - 1,
    );
    return line;
  }

  private body(message: ChatMessage): Span[][] {
    const text = textOf(message, this.directory);
    const width = this.width - MARGIN;
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

  private below({ reactions, editedAt, deletedAt, pinnedAt, local }: ChatMessage): Span[] {
    const marks = [
      ...(editedAt !== undefined && deletedAt === undefined ? ['edited'] : []),
      ...(pinnedAt === undefined ? [] : ['pinned']),
      ...reactions.map(({ emoji, count }) => `${inline(emoji)} ${count}`),
    ];
    const refused = local?.error
      ? [
          {
            text: `not sent, ${inline(`${local.error.code}: ${local.error.message}`)}; /retry or /discard`,
            color: 'red',
          },
        ]
      : [];
    return [...(marks.length > 0 ? [{ text: marks.join('  '), dim: true }] : []), ...refused];
  }
}

/** As much of a text as fits into a width. */
export function fit(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const [line = ''] = wrapAnsi(text, Math.max(1, width - 1), { hard: true, trim: false, wordWrap: false }).split('\n');
  return `${line}…`;
}
