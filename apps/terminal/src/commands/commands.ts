import type { Draft } from '@parley/client';
import { errorText, UsageError } from '../errors.js';
import type { CommandPrompt, CommandHandler } from './command-prompt.js';
import {
  createConversation,
  joinConversation,
  leaveConversation,
  listConversations,
  listPublicConversations,
  openConversation,
} from './conversations.js';
import { saveFiles, uploadFile } from './files.js';
import {
  addMember,
  changeRole,
  describeConversation,
  listMembers,
  removeMember,
  restrict,
  unrestrict,
} from './members.js';
import {
  deleteMessage,
  discardFailed,
  edit,
  goToMessage,
  pin,
  react,
  reply,
  retryFailed,
  searchMessages,
  showReceipts,
} from './messages.js';
import { changeOwn, listOwn, searchPeople } from './people.js';

interface Command {
  readonly name: string;
  readonly usage: string;
  readonly description: string;
  readonly handle: CommandHandler;
}

/** All commands. `#12` names a message; without a number, the newest message that fits is meant. */
export const commands: readonly Command[] = [
  { name: 'help', usage: '', description: 'all commands and keys', handle: showHelp },
  { name: 'list', usage: '', description: 'your conversations', handle: listConversations },
  {
    name: 'open',
    usage: 'CONVERSATION',
    description: 'go to one: its title or a part of it, its id, or @username',
    handle: openConversation,
  },
  {
    name: 'new',
    usage: 'direct USERNAME · group TITLE · channel TITLE [with @user …] [public]',
    description: 'make a conversation',
    handle: createConversation,
  },
  { name: 'rooms', usage: '[WORDS]', description: 'public conversations', handle: listPublicConversations },
  { name: 'join', usage: 'TITLE', description: 'join a public conversation', handle: joinConversation },
  { name: 'leave', usage: '', description: 'leave this conversation', handle: leaveConversation },
  { name: 'members', usage: '', description: 'who is in this conversation', handle: listMembers },
  { name: 'invite', usage: 'USERNAME', description: 'add somebody to this conversation', handle: addMember },
  { name: 'remove', usage: 'USERNAME', description: 'remove somebody from this conversation', handle: removeMember },
  {
    name: 'role',
    usage: 'USERNAME admin · member · creator',
    description: 'change the role of a member; creator hands the conversation over',
    handle: changeRole,
  },
  {
    name: 'mute',
    usage: 'USERNAME [TIME]',
    description: 'let somebody read only; TIME is 30m, 2h, 7d, without it for good',
    handle: restrict('muted'),
  },
  { name: 'unmute', usage: 'USERNAME', description: 'let somebody write again', handle: unrestrict },
  {
    name: 'ban',
    usage: 'USERNAME [TIME]',
    description: 'keep somebody out of this conversation',
    handle: restrict('banned'),
  },
  { name: 'unban', usage: 'USERNAME', description: 'let somebody in again', handle: unrestrict },
  { name: 'rename', usage: 'TITLE', description: 'change the title', handle: describeConversation('title') },
  { name: 'topic', usage: '[TEXT]', description: 'change the topic', handle: describeConversation('topic') },
  { name: 'people', usage: 'NAME', description: 'look for people', handle: searchPeople },
  { name: 'contacts', usage: '', description: 'your contacts', handle: listOwn('contacts', 'Contacts') },
  {
    name: 'contact',
    usage: 'USERNAME',
    description: 'make somebody your contact',
    handle: changeOwn('contacts', 'PUT', 'is your contact'),
  },
  {
    name: 'uncontact',
    usage: 'USERNAME',
    description: 'remove a contact',
    handle: changeOwn('contacts', 'DELETE', 'is no contact of yours'),
  },
  { name: 'blocks', usage: '', description: 'people whom you block', handle: listOwn('blocks', 'Blocked people') },
  {
    name: 'block',
    usage: 'USERNAME',
    description: 'neither get messages of somebody nor be added by them',
    handle: changeOwn('blocks', 'PUT', 'is blocked'),
  },
  {
    name: 'unblock',
    usage: 'USERNAME',
    description: 'end a block',
    handle: changeOwn('blocks', 'DELETE', 'is not blocked'),
  },
  { name: 'reply', usage: '[#N] TEXT', description: 'answer a message', handle: reply },
  { name: 'edit', usage: '[#N] TEXT', description: 'change what you wrote', handle: edit },
  { name: 'delete', usage: '[#N]', description: 'delete what you wrote', handle: deleteMessage },
  { name: 'react', usage: '[#N] EMOJI', description: 'react; repeat to remove', handle: react },
  { name: 'pin', usage: '[#N]', description: 'pin a message; repeat to unpin', handle: pin },
  { name: 'receipts', usage: '[#N]', description: 'who has a message, and who has read it', handle: showReceipts },
  {
    name: 'search',
    usage: 'WORDS',
    description: 'look for messages in all your conversations',
    handle: searchMessages,
  },
  { name: 'goto', usage: '#N', description: 'go to a message of this conversation', handle: goToMessage },
  {
    name: 'upload',
    usage: 'FILE [TEXT]',
    description: 'send a file; quote a path that has spaces',
    handle: uploadFile,
  },
  { name: 'save', usage: '[#N] [FOLDER]', description: 'save the files of a message', handle: saveFiles },
  { name: 'retry', usage: '', description: 'send again what was refused here', handle: retryFailed },
  { name: 'discard', usage: '', description: 'drop what was refused here', handle: discardFailed },
  { name: 'away', usage: '', description: 'show yourself as away', handle: ({ client }) => client.setPresence('away') },
  { name: 'busy', usage: '', description: 'show yourself as busy', handle: ({ client }) => client.setPresence('busy') },
  {
    name: 'online',
    usage: '',
    description: 'show yourself as online',
    handle: ({ client }) => client.setPresence('online'),
  },
  {
    name: 'logout',
    usage: '',
    description: 'end the session and forget it here',
    handle: async (prompt) => (await prompt.client.logout(), prompt.quit()),
  },
  { name: 'quit', usage: '', description: 'leave; the session is kept', handle: (prompt) => prompt.quit() },
];

export const isCommand = (line: string): boolean => line.startsWith('/') && !line.startsWith('//');

/** The commands that begin with the typed text. */
export const completions = (typed: string): string[] =>
  commands.map(({ name }) => `/${name} `).filter((name) => name.startsWith(typed));

/** Runs a line that {@link isCommand}. Resolves with whether it succeeded; a failure has been shown. */
export async function runCommand(prompt: CommandPrompt, line: string): Promise<boolean> {
  const [, name = '', text = ''] = /^\/(\S*)\s*([^]*)$/.exec(line) ?? [];
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (!command) throw new UsageError(`there is no command /${name}: see /help`);
    await command.handle(prompt, text.trim());
    return true;
  } catch (error) {
    prompt.say(errorText(error));
    return false;
  }
}

/** The message of a line. `//` at its beginning stands for a `/`. */
export const draftOf = (line: string): Draft => ({ body: line.startsWith('//') ? line.slice(1) : line });

const keys = [
  ['Enter', 'send'],
  ['Alt-Enter, Ctrl-J', 'new line'],
  ['Tab, Shift-Tab', 'next or previous conversation; completes commands'],
  ['Ctrl-G', 'next conversation with unread messages'],
  ['PgUp, PgDn', 'scroll; further back loads more'],
  ['Esc', 'to the newest message'],
  ['Up, Down', 'what you sent before'],
  ['Ctrl-A E U K W', 'edit the line'],
  ['Ctrl-C', 'leave'],
] as const;

function showHelp(prompt: CommandPrompt): void {
  const line = (left: string, right: string) => `  ${left.padEnd(34)} ${right}`;
  prompt.show('Help', [
    'Commands; #N is the number beside a message',
    ...commands.map(({ name, usage, description }) => line(`/${name} ${usage}`, description)),
    '',
    'Keys',
    ...keys.map(([key, description]) => line(key, description)),
    '',
    'A text that begins with / is written with two of them: //',
  ]);
}
