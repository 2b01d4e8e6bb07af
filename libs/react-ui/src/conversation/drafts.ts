import { ParleyError, type ChatMessage, type ParleyClient, type Sent } from '@parley/client';
import { cleanBody, hasVisibleText, type Attachment } from '@parley/contracts';
import { useSyncExternalStore } from 'react';
import type { DroppedFiles } from '../files/file-drop.ts';
import { voiceFile } from '../files/voice-recorder.ts';
import { isUploading, listed, MAX_FILES, newUpload, previewOf, typeOf, type Upload } from '../files/uploads.ts';
import { useClient } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import { emptyDraft, isFree, isNothing, quote, reconciled, type Draft, type Quoted } from './draft.ts';
import { DraftStorage, type RecordingInProgress } from './draft-storage.ts';
import { currentStrings } from '../strings/strings.tsx';

/** The server drops a file that was not sent within a day. It is uploaded again a little earlier. */
const UPLOAD_LIFETIME_MS = 23 * 3_600_000;
const texts = () => currentStrings().conversation.drafts;

/**
 * What the signed-in user has written and not sent, by conversation. It survives a reload and is the same in all tabs;
 * files are uploaded, and messages sent, whichever conversation is shown. A message that the server refuses comes back.
 * Only logging out erases it. Where the browser keeps nothing, drafts last as long as the page, and the composer says
 * so.
 */
export class Drafts {
  private userId: string | undefined;
  private readonly drafts = new Map<string, Draft>();
  private readonly listeners = new Set<() => void>();
  /** The bytes of files, and the uploads that are under way, by the key of the upload. */
  private readonly bytes = new Map<string, File>();
  private readonly running = new Map<string, AbortController>();
  private readonly storage = new DraftStorage();
  private saidNotKept = false;

  constructor(private readonly client: ParleyClient) {
    client.subscribe(() => this.follow(client.getState().user?.id));
    client.on('connection', ({ state }) => state === 'online' && this.retryUploads());
    this.storage.onChange((userId, conversationId) => this.changedElsewhere(userId, conversationId));
    // A page that the browser has put aside hears nothing of changes.
    addEventListener('pageshow', ({ persisted }) => persisted && this.catchUp());
    document.addEventListener('resume', () => this.catchUp());
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  of(conversationId: string): Draft {
    return this.drafts.get(conversationId) ?? emptyDraft;
  }

  /** Deletes all drafts of a user, and gives their uploads up. */
  async erase(userId: string): Promise<void> {
    this.forget();
    await this.storage.erase(userId);
  }

  // ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

  write(id: string, text: string): void {
    const draft = this.of(id);
    this.set(id, draft.edit ? { ...draft, edit: { ...draft.edit, text } } : { ...draft, text });
  }

  reply(id: string, message: ChatMessage): void {
    this.set(id, { ...this.of(id), reply: quote(message), edit: undefined });
  }

  edit(id: string, message: ChatMessage): void {
    const edit = { message: quote(message), original: message.body, text: message.body };
    this.set(id, { ...this.of(id), edit });
  }

  /** Ends the edit, or else the reply. */
  cancel(id: string): void {
    const draft = this.of(id);
    this.set(id, draft.edit ? { ...draft, edit: undefined } : { ...draft, reply: undefined });
  }

  dismissNotice(id: string): void {
    this.set(id, { ...this.of(id), notice: undefined });
  }

  discard(id: string): void {
    const { files, recording } = this.of(id);
    this.set(id, emptyDraft);
    this.release(recording ? [...files, recording] : files);
  }

  /** Whether the message was deleted, as far as this client knows. */
  isGone(id: string, { id: messageId, gone }: Quoted): boolean {
    const messages = this.client.getState().conversations.get(id)?.messages;
    return gone || messages?.find((message) => message.id === messageId)?.deletedAt !== undefined;
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends text and files. Files that could not be uploaded stay, and are named. */
  send(id: string): void {
    const draft = this.of(id);
    const sentFiles = draft.files.filter(({ attachment }) => attachment);
    const unsentFiles = draft.files.filter(({ attachment }) => !attachment);
    const attachments = sentFiles.flatMap(({ attachment }) => attachment ?? []);
    const body = cleanBody(draft.text).trim();
    if ((!hasVisibleText(body) && attachments.length === 0) || draft.files.some(isUploading)) return;
    const reply = draft.reply && !this.isGone(id, draft.reply) ? draft.reply : undefined;
    const sent = this.post(id, { body, type: typeOf(attachments), attachments }, reply);
    if (!sent) return;
    const notice = unsentFiles.length === 0 ? undefined : texts().notSent(listed(unsentFiles.map(({ name }) => name)));
    this.set(id, { ...draft, text: '', reply: undefined, files: unsentFiles, notice });
    this.release(sentFiles);
  }

  /** Asks the server to accept the edit, which stays open until it does. */
  async saveEdit(id: string): Promise<void> {
    const { edit } = this.of(id);
    if (!edit || edit.saving || !hasVisibleText(edit.text)) return;
    const body = cleanBody(edit.text).trim();
    if (body === edit.original) return this.cancel(id);
    const saving = { ...edit, saving: true };
    this.set(id, { ...this.of(id), edit: saving, notice: undefined });
    const notice = await this.client.edit(edit.message.id, body).then(() => undefined, explain);
    const draft = this.of(id);
    if (draft.edit !== saving) return;
    this.set(id, { ...draft, notice, edit: notice === undefined ? undefined : edit });
  }

  /**
   * A message that was refused comes back into the composer, after what is written there. Returns false when it cannot:
   * it is a forwarded one, or there is no room for its files or its recording.
   */
  takeBack(message: ChatMessage, known?: Quoted): boolean {
    const { conversationId: id, clientId, type, body, attachments, local, replyTo } = message;
    if (local?.state !== 'failed' || (body === '' && attachments.length === 0)) return false;
    const draft = this.of(id);
    const { error } = local;
    const isReplyGone = replyTo !== undefined && error?.code === 'conflict';
    const reply = replyTo === undefined ? undefined : { ...(known ?? this.quoteOf(id, replyTo)), gone: isReplyGone };
    const files = attachments.map(sentBefore);
    const notice = isReplyGone ? texts().replyGone : error?.code === 'too_large' ? texts().tooLong : explain(error);
    if (type === 'voice') {
      if (draft.recording) return false;
      this.set(id, { ...draft, recording: { ...files[0]!, wanted: true, problem: error, reply } });
    } else {
      if (draft.files.length + files.length > MAX_FILES) return false;
      const text = [draft.text, body].filter(hasVisibleText).join('\n');
      this.set(id, { ...draft, text, reply: draft.reply ?? reply, files: [...draft.files, ...files], notice });
    }
    this.client.discard(id, clientId);
    return true;
  }

  // ── files and recordings ──────────────────────────────────────────────────────────────────────────────────────

  /** Adds files and uploads them. Those that are not taken are named. */
  add(id: string, { files, folders }: DroppedFiles): void {
    const draft = this.of(id);
    const room = MAX_FILES - draft.files.length;
    const added = files.slice(0, room).map((file) => ({ file, upload: newUpload(file) }));
    const left = files.slice(room).map(({ name }) => name);
    const problems = [
      ...(left.length > 0 ? [texts().notTaken(listed(left), MAX_FILES)] : []),
      ...(folders.length > 0 ? [texts().folders(listed(folders))] : []),
    ];
    const notice = problems.length > 0 ? problems.join(' ') : draft.notice;
    this.set(id, { ...draft, notice, files: [...draft.files, ...added.map(({ upload }) => upload)] });
    for (const { file, upload } of added) void this.begin(id, upload, file);
  }

  removeFile(id: string, key: string): void {
    const draft = this.of(id);
    this.set(id, { ...draft, files: draft.files.filter((upload) => upload.key !== key) });
    this.release(draft.files.filter((upload) => upload.key === key));
  }

  retryFile(id: string, key: string): void {
    void this.upload(id, key);
  }

  /** Keeps a recording. With `wanted`, sends it as soon as it is uploaded: as a reply, if one was begun. */
  addRecording(id: string, file: File, wanted: boolean): void {
    const draft = this.of(id);
    const upload = newUpload(file);
    this.set(id, { ...draft, reply: undefined, recording: { ...upload, wanted, reply: draft.reply } });
    if (draft.recording) this.release([draft.recording]);
    void this.begin(id, upload, file).then(() => this.sendUploadedRecording(id));
  }

  /** Keeps a recording while it is made: after a reload, it is there like one that was left. */
  keepRecording(id: string): RecordingInProgress | undefined {
    return this.userId === undefined ? undefined : this.storage.keepRecording(this.userId, id);
  }

  async sendRecording(id: string): Promise<void> {
    const { recording } = this.of(id);
    if (!recording) return;
    this.set(id, { ...this.of(id), recording: { ...recording, wanted: true, problem: undefined } });
    if (!recording.attachment) await this.upload(id, recording.key);
    this.sendUploadedRecording(id);
  }

  discardRecording(id: string): void {
    const { recording, ...draft } = this.of(id);
    this.set(id, draft);
    if (recording) this.release([recording]);
  }

  private sendUploadedRecording(id: string): void {
    const draft = this.of(id);
    const { recording } = draft;
    if (!recording?.wanted || !recording.attachment) return;
    const reply = recording.reply && !this.isGone(id, recording.reply) ? recording.reply : undefined;
    if (!this.post(id, { type: 'voice', attachments: [recording.attachment] }, reply)) return;
    this.set(id, { ...draft, recording: undefined });
    this.release([recording]);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────

  private post(id: string, content: Parameters<ParleyClient['send']>[1], reply: Quoted | undefined): Sent | undefined {
    let sent: Sent;
    try {
      sent = this.client.send(id, { ...content, ...(reply && { replyTo: reply.id }) });
    } catch (error) {
      this.set(id, { ...this.of(id), notice: explain(error) });
      return undefined;
    }
    sent.stored.catch(() => {
      const pending = this.client.getState().pending.get(id);
      const message = pending?.find(({ clientId }) => clientId === sent.clientId);
      // If something else is written by now, the message stays in the timeline.
      if (message && isFree(this.of(id))) this.takeBack(message, reply);
    });
    return sent;
  }

  private quoteOf(id: string, messageId: string): Quoted {
    const message = this.client
      .getState()
      .conversations.get(id)
      ?.messages.find((other) => other.id === messageId);
    return message ? quote(message) : { id: messageId, senderId: '', summary: texts().earlierMessage };
  }

  private async begin(id: string, upload: Upload, file: File): Promise<void> {
    this.bytes.set(upload.key, file);
    void this.keepFile(id, upload, file);
    await this.upload(id, upload.key);
  }

  private async keepFile(id: string, upload: Upload, file: File): Promise<void> {
    const { userId } = this;
    if (userId === undefined) return;
    const used = this.uploads().reduce((sum, { key, size }) => (key === upload.key ? sum : sum + size), 0);
    const isKept = await this.storage.writeFile(userId, upload, file, used);
    // It may have been removed meanwhile.
    if (!this.find(id, upload.key)) return this.storage.removeFile(userId, upload.key);
    if (isKept) return undefined;
    const notice = texts().noRoom(upload.name);
    this.set(id, { ...this.of(id), notice });
  }

  /** Uploads a file, unless that is under way. The draft shows how it ends. */
  private async upload(id: string, key: string): Promise<void> {
    const upload = this.find(id, key);
    const { userId } = this;
    if (!upload || userId === undefined || this.running.has(key)) return;
    const controller = new AbortController();
    const { signal } = controller;
    this.running.set(key, controller);
    this.change(id, key, { problem: undefined, attachment: undefined, progress: 0 });
    try {
      await inOneTab(`parley upload ${key}`, signal, async () => {
        // While this tab waited, another one may have uploaded, sent or removed it.
        const elsewhere = uploadsOf(this.storage.read(userId, id) ?? emptyDraft).find((other) => other.key === key);
        if (elsewhere && isFresh(elsewhere)) {
          const { attachment, uploadedAt } = elsewhere;
          return this.change(id, key, { attachment, uploadedAt, progress: 1 });
        }
        if (!elsewhere && !this.saidNotKept) return;
        const file = this.bytes.get(key) ?? (await this.storage.readFile(userId, key));
        if (!file) return this.lost(id, upload);
        const attachment = await this.client.upload(file, {
          name: upload.name,
          signal,
          onProgress: (sent, total) => this.change(id, key, { progress: total ? sent / total : 0 }, false),
        });
        this.change(id, key, { attachment, uploadedAt: Date.now(), progress: 1 });
      });
    } catch (error) {
      if (!signal.aborted) this.change(id, key, { problem: ParleyError.of(error).toBody() });
    } finally {
      if (this.running.get(key) === controller) this.running.delete(key);
    }
  }

  /** A file of an earlier page that this browser did not keep. */
  private lost(id: string, { key, name }: Upload): void {
    const draft = this.of(id);
    const recording = draft.recording?.key === key ? undefined : draft.recording;
    const notice = recording === draft.recording ? texts().chooseAgain(name) : draft.notice;
    this.set(id, { ...draft, recording, notice, files: draft.files.filter((file) => file.key !== key) });
  }

  private retryUploads(): void {
    for (const [id, draft] of this.drafts) {
      for (const { key, problem } of draft.files)
        if (problem && ParleyError.fromBody(problem).temporary) void this.upload(id, key);
      const { recording } = draft;
      if (recording?.wanted && recording.problem && ParleyError.fromBody(recording.problem).temporary)
        void this.sendRecording(id);
    }
  }

  private uploads(): Upload[] {
    return [...this.drafts.values()].flatMap(uploadsOf);
  }

  private find(id: string, key: string): Upload | undefined {
    return uploadsOf(this.of(id)).find((upload) => upload.key === key);
  }

  private change(id: string, key: string, part: Partial<Upload>, kept = true): void {
    const draft = this.of(id);
    const changed = <U extends Upload>(upload: U): U => (upload.key === key ? { ...upload, ...part } : upload);
    const { recording } = draft;
    const next = { ...draft, files: draft.files.map(changed), recording: recording && changed(recording) };
    if (kept) this.set(id, next);
    else this.show(id, next);
  }

  /** Forgets bytes and previews of files that are in no draft any more, and gives their uploads up. */
  private release(uploads: readonly Upload[]): void {
    for (const { key, preview } of uploads) {
      this.running.get(key)?.abort();
      this.running.delete(key);
      this.bytes.delete(key);
      if (preview !== undefined) URL.revokeObjectURL(preview);
      if (this.userId !== undefined) void this.storage.removeFile(this.userId, key);
    }
  }

  private set(id: string, draft: Draft): void {
    const { userId } = this;
    // Signed out meanwhile.
    if (userId === undefined) return;
    let shown = reconciled(draft, this.of(id), this.storage.read(userId, id));
    if (isNothing(shown)) this.storage.remove(userId, id);
    else if (!this.storage.write(userId, id, shown) && !this.saidNotKept) {
      this.saidNotKept = true;
      shown = { ...shown, notice: shown.notice ?? texts().notKept };
    }
    this.show(id, shown);
  }

  private show(id: string, draft: Draft): void {
    if (isNothing(draft) && draft.notice === undefined) this.drafts.delete(id);
    else this.drafts.set(id, draft);
    this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }

  // ── users and tabs ────────────────────────────────────────────────────────────────────────────────────────────

  private follow(userId: string | undefined): void {
    if (userId === this.userId) return;
    this.forget();
    this.userId = userId;
    if (userId === undefined) return;
    for (const id of this.storage.conversationsOf(userId)) this.restore(userId, id);
    void this.storage.removeUnused(userId);
    void this.storage.recoverRecordings(userId, (id, pieces) => {
      // Signed out meanwhile, or another recording waits already.
      if (this.userId !== userId || this.of(id).recording) return false;
      this.addRecording(id, voiceFile(pieces), false);
      return true;
    });
  }

  /** Reads all drafts again. */
  private catchUp(): void {
    const { userId } = this;
    if (userId === undefined) return;
    const ids = new Set([...this.drafts.keys(), ...this.storage.conversationsOf(userId)]);
    for (const id of ids) this.changedElsewhere(userId, id);
  }

  private restore(userId: string, id: string): void {
    const draft = this.storage.read(userId, id);
    if (!draft) return;
    this.show(id, draft);
    for (const upload of uploadsOf(draft)) void this.resume(userId, id, upload);
  }

  /** Goes on with an upload of an earlier page, or of another tab. */
  private async resume(userId: string, id: string, upload: Upload): Promise<void> {
    const { key } = upload;
    const file = this.bytes.get(key) ?? (await this.storage.readFile(userId, key));
    if (this.userId !== userId || !this.find(id, key)) return;
    if (file) {
      this.bytes.set(key, file);
      this.change(id, key, previewOf(file), false);
    }
    if (!isFresh(upload)) await this.upload(id, key);
    this.sendUploadedRecording(id);
  }

  private changedElsewhere(userId: string | undefined, id: string): void {
    if (this.userId === undefined || (userId !== undefined && userId !== this.userId)) return;
    if (userId === undefined) return this.forget();
    const [before, kept] = [this.of(id), this.storage.read(this.userId, id)];
    // What the browser does not keep is in this tab only.
    if (!kept && this.saidNotKept) return;
    const stored = kept ?? emptyDraft;
    const known = new Map(uploadsOf(before).map((upload) => [upload.key, upload]));
    const merged = <U extends Upload>(upload: U): U => {
      const here = known.get(upload.key);
      return here ? { ...upload, ...here, attachment: upload.attachment ?? here.attachment } : upload;
    };
    const { recording } = stored;
    const followed = {
      ...stored,
      notice: before.notice,
      files: stored.files.map(merged),
      recording: recording && merged(recording),
    };
    // The other tab had not seen the text of this one yet.
    if (kept && (kept.writtenAt ?? 0) < (before.writtenAt ?? 0))
      this.set(id, { ...followed, text: before.text, edit: before.edit });
    else this.show(id, followed);
    const keys = new Set(uploadsOf(stored).map(({ key }) => key));
    this.release([...known.values()].filter(({ key }) => !keys.has(key)));
    // A recording is sent by the tab that made it.
    for (const upload of stored.files) if (!known.has(upload.key)) void this.resume(this.userId, id, upload);
  }

  /** Forgets everything that is in memory. */
  private forget(): void {
    for (const controller of this.running.values()) controller.abort();
    for (const { preview } of this.uploads()) if (preview !== undefined) URL.revokeObjectURL(preview);
    this.running.clear();
    this.bytes.clear();
    this.drafts.clear();
    this.notify();
  }
}

const uploadsOf = ({ files, recording }: Draft): readonly Upload[] => (recording ? [...files, recording] : files);

const isFresh = ({ attachment, uploadedAt = 0 }: Upload): boolean =>
  attachment !== undefined && Date.now() - uploadedAt < UPLOAD_LIFETIME_MS;

/** A file of a message that comes back. The server has it already. */
const sentBefore = (attachment: Attachment): Upload => ({
  key: attachment.id,
  name: attachment.name,
  type: attachment.mediaType,
  size: attachment.size,
  progress: 1,
  attachment,
  uploadedAt: Date.now(),
});

/** Keeps two tabs from doing the same work. Pages without Web Locks do it both. */
const inOneTab = (name: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> =>
  'locks' in navigator ? navigator.locks.request(name, { signal }, work) : work();

const stores = new WeakMap<ParleyClient, Drafts>();
/** The drafts of a client's user. Each client has one instance. */
export function draftsOf(client: ParleyClient): Drafts {
  const drafts = stores.get(client) ?? new Drafts(client);
  stores.set(client, drafts);
  return drafts;
}

/** The draft of a conversation. */
export function useDraft(id: string): Draft {
  const drafts = draftsOf(useClient());
  return useSyncExternalStore(drafts.subscribe, () => drafts.of(id));
}
