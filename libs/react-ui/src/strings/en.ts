import { formatsOf } from './formats.ts';

const { number, plural } = formatsOf('en');

/** A person in a sentence. */
export interface Who {
  /** Undefined while it is not known. */
  readonly name: string | undefined;
  /** Whether it is the reader. */
  readonly isMe: boolean;
}

const You = ({ name, isMe }: Who): string => (isMe ? 'You' : (name ?? 'Somebody'));
const you = ({ name, isMe }: Who): string => (isMe ? 'you' : (name ?? 'somebody'));

/** The texts in English, from which the type of all languages is taken. A section has the texts of one folder. */
export const en = {
  language: 'en',

  common: { loading: 'Loading' },

  sidebar: {
    region: 'Conversations',
    title: 'Chats',
    findAnything: 'Find anything',
    newChat: 'New chat',
    search: 'Search',
    searchLabel: 'Search conversations, people and messages',
    conversations: 'Conversations',
    people: 'People',
    messages: 'Messages',
    searchLater: 'People and messages are found as soon as the server answers.',
    nothingFound: (query: string) => `Nobody and no message found for “${query}”.`,
    offline: 'Your chats are shown as soon as the server answers.',
    none: 'No chats yet',
    noneHint: 'Write to somebody, or see what is said in the public rooms.',
    startChat: 'Start a chat',
    browseRooms: 'Browse rooms',
    list: 'Your conversations',
    muted: 'Muted',
    mentioned: 'You were mentioned',
    unread: (count: number) => `${number(count)} unread`,
    unreadBadge: (count: number) => (count > 99 ? `${number(99)}+` : number(count)),
    typing: 'typing…',
    draft: 'Draft:',
    noMessages: 'No messages yet',
    /** The newest message, with its sender. */
    lastMessage: (text: string, sender: Who) => `${You(sender)}: ${text}`,
    removed: (title: string, reason: string) => `${title}: ${reason}`,
  },

  conversation: {
    directTitle: 'Direct chat',
    channelTitle: 'Channel',
    groupTitle: 'Group',
    /** Why the user is not in a conversation any more. */
    removal: {
      left: 'You left this conversation.',
      removed: 'You were removed from this conversation.',
      banned: 'You were banned from this conversation.',
      deleted: 'This conversation was deleted.',
      unknown: 'You are not in this conversation any more.',
    },
  },

  /** Messages of the system about what somebody did. */
  system: {
    created: (by: Who) => `${You(by)} created this conversation`,
    joined: (by: Who) => `${You(by)} joined`,
    added: (by: Who, whom: Who) => `${You(by)} added ${you(whom)}`,
    left: (by: Who) => `${You(by)} left`,
    removed: (by: Who, whom: Who) => `${You(by)} removed ${you(whom)}`,
    banned: (by: Who, whom: Who) => `${You(by)} banned ${you(whom)}`,
    titleRemoved: (by: Who) => `${You(by)} removed the title`,
    renamed: (by: Who, title: string) => `${You(by)} changed the title to “${title}”`,
    creator: (by: Who, whom: Who) => `${You(by)} handed this conversation over to ${you(whom)}`,
    /** A kind that this version does not know. */
    unknown: (by: Who, kind: string, value: string) => `${You(by)}: ${kind} ${value}`.trim(),
  },

  /** What was just done, and can be undone. */
  undo: {
    undo: 'Undo',
    messageDeleted: 'Message deleted',
    left: (title: string) => `You left ${title}`,
    removed: (name: string) => `${name} was removed`,
    banned: (name: string) => `${name} was banned`,
  },

  times: {
    today: 'Today',
    yesterday: 'Yesterday',
    justNow: 'just now',
    minutesAgo: (count: number) => plural(count, { other: '# min ago' }),
    hoursAgo: (count: number) => plural(count, { other: '# h ago' }),
  },
};
