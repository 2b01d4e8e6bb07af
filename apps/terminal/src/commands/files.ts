import { openAsBlob } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename, join, parse, resolve } from 'node:path';
import type { Attachment, MessageType } from '@parley/client';
import { startFolder } from '../environment.js';
import { sizeOf } from '../text/message-text.js';
import { inline } from '../text/printable.js';
import { UsageError } from '../errors.js';
import { currentConversation, pickMessage, required } from './arguments.js';
import type { CommandPrompt } from './command-prompt.js';

/** Gives up when so many files of the same name exist. */
const MAX_NUMBERED_NAMES = 100;

export async function uploadFile(prompt: CommandPrompt, text: string): Promise<void> {
  const [, quoted, bare = '', body = ''] = /^(?:"([^"]+)"|(\S+))\s*([^]*)$/.exec(required(text, 'a file')) ?? [];
  const path = resolve(startFolder, quoted ?? bare);
  const { conversation } = currentConversation(prompt);
  const attachment = await prompt.client.upload(await openFile(path), {
    name: basename(path),
    onProgress: (sent, total) => total && prompt.say(`${basename(path)}: ${Math.floor((sent / total) * 100)} %`),
  });
  // The next command may be about this message, so it has to be stored first.
  await prompt.client.send(conversation.id, {
    attachmentIds: [attachment.id],
    type: typeOf(attachment),
    ...(body !== '' && { body }),
  }).stored;
}

async function openFile(path: string): Promise<Blob> {
  try {
    if (!(await stat(path)).isFile()) throw new UsageError(`${path} is no file`);
    return await openAsBlob(path);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${path} cannot be read`);
  }
}

const typeOf = ({ mediaType }: Attachment): Exclude<MessageType, 'system'> => {
  const kind = mediaType.split('/')[0];
  return kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'document';
};

export async function saveFiles(prompt: CommandPrompt, text: string): Promise<void> {
  const { message, rest } = await pickMessage(prompt, text, ({ attachments }) => attachments.length > 0);
  if (message.attachments.length === 0) throw new UsageError(`#${message.seq} has no files`);
  const saved: string[] = [];
  for (const attachment of message.attachments) {
    const blob = await prompt.client.fetchAttachment(attachment);
    saved.push(await writeNew(resolve(startFolder, rest), fileNameOf(attachment), blob));
  }
  prompt.say(`saved ${saved.join(', ')} (${sizeOf(message.attachments.reduce((sum, { size }) => sum + size, 0))})`);
}

/** A safe file name out of one that somebody else chose: no path, not hidden, not like an option of a program. */
const fileNameOf = ({ name, id }: Attachment): string =>
  inline(name)
    .replaceAll(/[/\\:*?"<>|]/g, '_')
    .replace(/^[.\s-]+/, '')
    .slice(-100) || id;

/** Writes a new file, with a number in its name if there is one already. Resolves with its path. */
async function writeNew(folder: string, fileName: string, blob: Blob): Promise<string> {
  const { name, ext } = parse(fileName);
  for (let n = 1; n <= MAX_NUMBERED_NAMES; n++) {
    const path = join(folder, n === 1 ? fileName : `${name} ${n}${ext}`);
    try {
      await writeFile(path, blob.stream(), { flag: 'wx' });
      return path;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES')
        throw new UsageError(`${folder} cannot be written to`);
      if (code !== 'EEXIST') throw error;
    }
  }
  throw new UsageError(`there are ${MAX_NUMBERED_NAMES} files called ${fileName} in ${folder}`);
}
