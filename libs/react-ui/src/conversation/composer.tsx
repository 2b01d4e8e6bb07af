import type { ConversationView } from '@parley/client';
import { cleanBody, hasVisibleText } from '@parley/contracts';
import { Mic, Paperclip, SendHorizontal, Smile, Trash2, X } from 'lucide-react';
import { useEffect, useLayoutEffect, useRef, type ClipboardEvent, type KeyboardEvent } from 'react';
import { useChat, useClient, useUser } from '../shared/chat.ts';
import { droppedFilesOf, isPictureOfText } from '../files/file-drop.ts';
import { useVoiceRecorder } from '../files/voice-recorder.ts';
import { isUploading } from '../files/uploads.ts';
import { isKey, isOfIme } from '../keys/keys.ts';
import type { Quoted } from './draft.ts';
import { draftsOf, useDraft } from './drafts.ts';
import { FilesToSend } from './files-to-send.tsx';
import { KeptDraft } from './kept-draft.tsx';
import { useMentionCompletion } from './mention-completion.tsx';
import { WaitingRecording } from './waiting-recording.tsx';
import { EmojiButton } from '../shared/emoji-button.tsx';
import { summaryOf } from '../messages/summary.ts';
import { clockOf } from '../shared/times.ts';
import { toast } from '../shared/toasts.tsx';
import { currentStrings, useStrings } from '../strings/strings.tsx';

/** The counter appears when less than this part of the limit is left. */
const COUNTED_PART = 0.1;

/** Where messages are written: text, files, recordings, replies and edits. */
export function Composer({ view }: { readonly view: ConversationView }) {
  // The reason is in the chosen language.
  useStrings();
  const { id } = view.conversation;
  const { edit } = useDraft(id);
  const reason = readOnlyReason(view);
  if (reason !== undefined)
    return (
      <>
        <KeptDraft id={id} />
        <p className="silent" role="note">
          {reason}
        </p>
      </>
    );
  return <Editor key={`${id} ${edit?.message.id ?? ''}`} view={view} />;
}

/** Why the user may not write here. Undefined when they may. */
export function readOnlyReason({ conversation: { kind, me } }: ConversationView): string | undefined {
  if (me?.status === 'muted') return currentStrings().conversation.composer.muted;
  if (kind === 'channel' && me?.role === 'member') return currentStrings().conversation.composer.onlyAdmins;
  return undefined;
}

/**
 * The bytes that are left for a text; negative when it is too long. Before the server has told its limit, no text is
 * too long: the server refuses it then, and it comes back.
 */
function useBytesLeft(text: string): { readonly left: number; readonly isCounted: boolean } {
  const max = useChat(({ limits }) => limits?.bodyBytes ?? Infinity);
  // No text has more than three bytes per UTF-16 unit.
  if (text.length * 3 <= max * (1 - COUNTED_PART)) return { left: max, isCounted: false };
  const left = max - new TextEncoder().encode(cleanBody(text).trim()).length;
  return { left, isCounted: left < max * COUNTED_PART };
}

function Editor({ view }: { readonly view: ConversationView }) {
  const strings = useStrings();
  const { composer } = strings.conversation;
  const client = useClient();
  const drafts = draftsOf(client);
  const { id } = view.conversation;
  const draft = useDraft(id);
  const { edit, reply, recording, notice } = draft;
  const text = edit ? edit.text : draft.text;
  const files = edit ? [] : draft.files;
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const recorder = useVoiceRecorder(
    (file) => drafts.addRecording(id, file, false),
    () => drafts.keepRecording(id),
  );
  const bytes = useBytesLeft(text);
  const changeText = (value: string) => {
    drafts.write(id, value);
    if (!edit) client.typing(id, hasVisibleText(value));
  };
  const completion = useMentionCompletion(view, text, field, changeText);

  const quoted = edit?.message ?? reply;
  useEffect(() => {
    if (quoted !== undefined || matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [quoted?.id, id]);
  // The field grows with its text. Not every browser can do that by style sheet yet.
  useLayoutEffect(() => {
    const fit = () => {
      const box = field.current;
      if (!box) return;
      box.style.height = 'auto';
      box.style.height = `${box.scrollHeight}px`;
    };
    fit();
    addEventListener('resize', fit);
    return () => removeEventListener('resize', fit);
  }, [text]);

  const isEmpty = !hasVisibleText(text) && !files.some(({ attachment }) => attachment);
  const isBlocked = isEmpty || bytes.left < 0 || files.some(isUploading) || edit?.saving === true;

  const submit = () => {
    if (isBlocked) return;
    if (edit) return void drafts.saveEdit(id);
    client.typing(id, false);
    drafts.send(id);
  };
  const insert = (piece: string) => {
    const box = field.current;
    if (!box) return;
    box.focus();
    box.setRangeText(piece, box.selectionStart, box.selectionEnd, 'end');
    changeText(box.value);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (isOfIme(event) || completion.onKey(event)) return;
    if (isKey('send', event) && matchMedia('(pointer: fine)').matches) {
      event.preventDefault();
      submit();
    } else if (isKey('cancel', event) && quoted) drafts.cancel(id);
    else if (isKey('editLast', event) && text === '' && !quoted) {
      const own = view.messages.findLast(
        (message) =>
          message.senderId === client.getState().user?.id &&
          !message.local &&
          message.deletedAt === undefined &&
          message.type === 'text',
      );
      if (own) {
        event.preventDefault();
        drafts.edit(id, own);
      }
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0 || isPictureOfText(event.clipboardData)) return;
    event.preventDefault();
    drafts.add(id, droppedFilesOf(event.clipboardData));
  };
  const record = () => void recorder.start().catch(() => toast(composer.noMicrophone));
  const sendVoice = () => void recorder.finish().then((file) => file && drafts.addRecording(id, file, true));

  return (
    <form
      className="composer"
      aria-label={composer.form}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {completion.list}
      <div className="composer-box">
        {notice !== undefined && (
          <div className="composer-notice" role="alert">
            <span className="grow">{notice}</span>
            <button
              type="button"
              className="icon-button small"
              aria-label={strings.common.dismiss}
              onClick={() => drafts.dismissNotice(id)}
            >
              <X size={18} />
            </button>
          </div>
        )}
        {recording && <WaitingRecording id={id} recording={recording} />}
        {quoted && (
          <ContextLine view={view} quoted={quoted} isEdit={edit !== undefined} onClose={() => drafts.cancel(id)} />
        )}
        {files.length > 0 && <FilesToSend id={id} files={files} />}
        {bytes.isCounted && (
          <p className={`composer-counter${bytes.left < 0 ? ' bad' : ''}`} role="status">
            {bytes.left < 0 ? composer.bytesTooLong(-bytes.left) : composer.bytesLeft(bytes.left)}
          </p>
        )}
        <div className="composer-line">
          {recorder.seconds === undefined ? (
            <>
              {!edit && (
                <button
                  type="button"
                  className="icon-button"
                  aria-label={composer.attach}
                  title={composer.attach}
                  onClick={() => picker.current?.click()}
                >
                  <Paperclip size={20} />
                </button>
              )}
              <input
                ref={picker}
                type="file"
                multiple
                hidden
                aria-hidden="true"
                onChange={({ target }) => {
                  drafts.add(id, { files: [...(target.files ?? [])], folders: [] });
                  target.value = '';
                }}
              />
              <textarea
                ref={field}
                rows={1}
                value={text}
                placeholder={edit ? composer.edit : composer.message}
                aria-label={composer.message}
                readOnly={edit?.saving === true}
                enterKeyHint="send"
                dir="auto"
                {...completion.aria}
                onChange={(event) => changeText(event.target.value)}
                onKeyDown={onKeyDown}
                onPaste={onPaste}
                onSelect={completion.update}
                onBlur={() => client.typing(id, false)}
              />
              <EmojiButton label={composer.emoji} icon={<Smile size={20} />} onPick={insert} />
              {isEmpty && !edit && files.length === 0 && !recording ? (
                <button
                  // Another button than the one that sends: it does not inherit the focus.
                  key="record"
                  type="button"
                  className="icon-button"
                  aria-label={composer.record}
                  title={composer.record}
                  onClick={record}
                >
                  <Mic size={20} />
                </button>
              ) : (
                <button
                  key="send"
                  type="submit"
                  className="icon-button filled"
                  aria-label={edit ? strings.common.save : composer.send}
                  title={edit ? strings.common.save : composer.send}
                  disabled={isBlocked}
                >
                  <SendHorizontal size={19} />
                </button>
              )}
            </>
          ) : (
            <>
              <button
                type="button"
                className="icon-button"
                aria-label={composer.discardRecording}
                onClick={recorder.cancel}
              >
                <Trash2 size={20} />
              </button>
              <div className="recording">
                <i />
                <span role="timer">{clockOf(recorder.seconds)}</span>
              </div>
              <button
                type="button"
                className="icon-button filled"
                aria-label={composer.sendRecording}
                onClick={sendVoice}
              >
                <SendHorizontal size={19} />
              </button>
            </>
          )}
        </div>
      </div>
    </form>
  );
}

/** The message that is answered or edited. A message that is not loaded is shown as it was. */
function ContextLine({
  view,
  quoted,
  isEdit,
  onClose,
}: {
  readonly view: ConversationView;
  readonly quoted: Quoted;
  readonly isEdit: boolean;
  readonly onClose: () => void;
}) {
  const {
    common,
    conversation: { composer },
  } = useStrings();
  const sender = useUser(quoted.senderId);
  const message = view.messages.find(({ id }) => id === quoted.id);
  const isGone = quoted.gone || message?.deletedAt !== undefined;
  return (
    <div className="composer-context">
      <div>
        <strong className="cut" dir="auto">
          {isEdit ? composer.editMessage : composer.replyTo(sender?.displayName ?? '…')}
        </strong>
        <span className="cut muted" dir="auto">
          {isGone ? (isEdit ? composer.editGone : composer.replyGone) : message ? summaryOf(message) : quoted.summary}
        </span>
      </div>
      <button type="button" className="icon-button small" aria-label={common.cancel} onClick={onClose}>
        <X size={18} />
      </button>
    </div>
  );
}
