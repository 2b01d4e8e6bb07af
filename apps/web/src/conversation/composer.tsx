import type { ConversationView } from '@parley/client';
import { cleanBody, hasVisibleText } from '@parley/contracts';
import { Mic, Paperclip, SendHorizontal, Smile, Trash2, X } from 'lucide-react';
import { useEffect, useLayoutEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent } from 'react';
import { useClient, useUser } from '../shared/chat.ts';
import { useVoiceRecorder } from '../files/voice-recorder.ts';
import { typeOf, type ComposerUploads } from '../files/uploads.ts';
import './composer.css';
import { useMentionCompletion } from './mention-completion.tsx';
import { EmojiButton } from '../shared/emoji-button.tsx';
import { summaryOf } from '../messages/summary.ts';
import { clockOf } from '../shared/times.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { explain } from '../shared/errors.ts';

/** Unsent texts by conversation, for as long as the page is open. */
const drafts = new Map<string, string>();

/** The message that is being answered or edited. */
export type ComposerContext = { readonly kind: 'reply' | 'edit'; readonly messageId: string };

interface Props {
  readonly view: ConversationView;
  readonly uploads: ComposerUploads;
  readonly context: ComposerContext | undefined;
  readonly onContext: (context: ComposerContext | undefined) => void;
}

export function Composer(props: Props) {
  const { conversation } = props.view;
  const reason = readOnlyReason(props.view);
  if (reason !== undefined)
    return (
      <p className="silent" role="note">
        {reason}
      </p>
    );
  return (
    <Editor key={`${conversation.id} ${props.context?.kind === 'edit' ? props.context.messageId : ''}`} {...props} />
  );
}

function readOnlyReason({ conversation: { kind, me } }: ConversationView): string | undefined {
  if (me?.status === 'muted') return 'You are muted here: you can read, but not write.';
  if (kind === 'channel' && me?.role === 'member') return 'Only the admins of this channel write here. You can react.';
  return undefined;
}

function Editor({ view, uploads, context, onContext }: Props) {
  const client = useClient();
  const { id } = view.conversation;
  const contextMessage = view.messages.find((message) => message.id === context?.messageId);
  const editing = context?.kind === 'edit' ? contextMessage : undefined;
  const [text, setText] = useState(() => (editing ? editing.body : (drafts.get(id) ?? '')));
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const recorder = useVoiceRecorder();
  const changeText = (value: string) => {
    setText(value);
    if (!editing) client.typing(id, hasVisibleText(value));
  };
  const completion = useMentionCompletion(view, text, field, changeText);

  useEffect(() => {
    if (!editing) drafts.set(id, text);
  }, [editing, id, text]);
  useEffect(() => {
    if (context || matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [context, id]);
  // The field grows with its text. Not every browser can do that by style sheet yet.
  useLayoutEffect(() => {
    const box = field.current;
    if (!box) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);

  const attachments = uploads.items.flatMap(({ attachment }) => attachment ?? []);
  const isUploading = uploads.items.some(({ attachment, problem }) => !attachment && !problem);
  const isEmpty = !hasVisibleText(text) && attachments.length === 0;

  const submit = () => {
    if (isEmpty || isUploading) return;
    const body = cleanBody(text).trim();
    if (editing) {
      onContext(undefined);
      if (body !== editing.body) void attempt(() => client.edit(editing.id, body));
      return;
    }
    const sent = client.send(id, {
      body,
      type: typeOf(attachments),
      ...(attachments.length > 0 && { attachmentIds: attachments.map((attachment) => attachment.id) }),
      ...(context?.kind === 'reply' && { replyTo: context.messageId }),
    });
    // The message itself shows why it was refused.
    sent.stored.catch(() => undefined);
    client.typing(id, false);
    setText('');
    uploads.clear();
    onContext(undefined);
  };
  const insert = (piece: string) => {
    const box = field.current;
    if (!box) return;
    box.focus();
    box.setRangeText(piece, box.selectionStart, box.selectionEnd, 'end');
    changeText(box.value);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing || completion.onKey(event)) return;
    if (event.key === 'Enter' && !event.shiftKey && matchMedia('(pointer: fine)').matches) {
      event.preventDefault();
      submit();
    } else if (event.key === 'Escape' && context) onContext(undefined);
    else if (event.key === 'ArrowUp' && text === '' && !context) {
      const own = view.messages.findLast(
        (message) =>
          message.senderId === client.getState().user?.id &&
          !message.local &&
          message.deletedAt === undefined &&
          message.type === 'text',
      );
      if (own) {
        event.preventDefault();
        onContext({ kind: 'edit', messageId: own.id });
      }
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    uploads.add(event.clipboardData.files);
  };
  const record = () =>
    void recorder.start().catch(() => toast('The microphone is not available. Allow it in your browser’s settings.'));
  const sendVoice = () =>
    void attempt(async () => {
      const file = await recorder.finish();
      if (!file) return;
      const attachment = await client.upload(file);
      client.send(id, { type: 'voice', attachmentIds: [attachment.id] }).stored.catch(() => undefined);
    });

  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {completion.list}
      <div className="composer-box">
        {context && contextMessage && (
          <ContextLine
            kind={context.kind}
            senderId={contextMessage.senderId}
            summary={summaryOf(contextMessage)}
            onClose={() => onContext(undefined)}
          />
        )}
        {!editing && uploads.items.length > 0 && <FilesToSend uploads={uploads} />}
        <div className="composer-line">
          {recorder.seconds === undefined ? (
            <>
              {!editing && (
                <button
                  type="button"
                  className="icon-button"
                  aria-label="Attach files"
                  title="Attach files"
                  onClick={() => files.current?.click()}
                >
                  <Paperclip size={20} />
                </button>
              )}
              <input
                ref={files}
                type="file"
                multiple
                hidden
                aria-hidden="true"
                onChange={({ target }) => {
                  uploads.add(target.files ?? []);
                  target.value = '';
                }}
              />
              <textarea
                ref={field}
                rows={1}
                value={text}
                placeholder={editing ? 'Edit the message' : 'Message'}
                aria-label="Message"
                enterKeyHint="send"
                dir="auto"
                {...completion.aria}
                onChange={(event) => changeText(event.target.value)}
                onKeyDown={onKeyDown}
                onPaste={onPaste}
                onSelect={completion.update}
                onBlur={() => client.typing(id, false)}
              />
              <EmojiButton label="Emoji" icon={<Smile size={20} />} onPick={insert} />
              {isEmpty && !editing && uploads.items.length === 0 ? (
                <button
                  type="button"
                  className="icon-button"
                  aria-label="Record a voice message"
                  title="Record a voice message"
                  onClick={record}
                >
                  <Mic size={20} />
                </button>
              ) : (
                <button
                  type="submit"
                  className="icon-button filled"
                  aria-label={editing ? 'Save' : 'Send'}
                  title={editing ? 'Save' : 'Send'}
                  disabled={isEmpty || isUploading}
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
                aria-label="Discard the recording"
                onClick={recorder.cancel}
              >
                <Trash2 size={20} />
              </button>
              <div className="recording">
                <i />
                <span role="timer">{clockOf(recorder.seconds)}</span>
              </div>
              <button type="button" className="icon-button filled" aria-label="Send the recording" onClick={sendVoice}>
                <SendHorizontal size={19} />
              </button>
            </>
          )}
        </div>
      </div>
    </form>
  );
}

function ContextLine({
  kind,
  senderId,
  summary,
  onClose,
}: {
  readonly kind: ComposerContext['kind'];
  readonly senderId: string;
  readonly summary: string;
  readonly onClose: () => void;
}) {
  const sender = useUser(senderId);
  return (
    <div className="composer-context">
      <div>
        <strong className="cut">{kind === 'edit' ? 'Edit message' : `Reply to ${sender?.displayName ?? '…'}`}</strong>
        <span className="cut muted">{summary}</span>
      </div>
      <button type="button" className="icon-button small" aria-label="Cancel" onClick={onClose}>
        <X size={18} />
      </button>
    </div>
  );
}

function FilesToSend({ uploads }: { readonly uploads: ComposerUploads }) {
  return (
    <ul className="composer-files" aria-label="Files to send">
      {uploads.items.map(({ key, name, preview, progress, attachment, problem }) => (
        <li key={key} className={`upload${problem ? ' bad' : ''}`} title={problem ? explain(problem) : name}>
          {preview && !problem ? (
            <img src={preview} alt={name} />
          ) : (
            <span className={problem ? '' : 'cut'}>{problem ? explain(problem) : name}</span>
          )}
          {!attachment && !problem && <progress value={progress} max={1} aria-label={`Uploading ${name}`} />}
          <button type="button" aria-label={`Remove ${name}`} onClick={() => uploads.remove(key)}>
            <X size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}
