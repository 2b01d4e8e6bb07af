import type { ConversationView } from '@parley/client';
import type { User } from '@parley/contracts';
import { Mic, Paperclip, SendHorizontal, Smile, Trash2, X } from 'lucide-react';
import {
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type ClipboardEvent,
  type KeyboardEvent,
  type RefObject,
} from 'react';
import { useChat, useClient, useUser } from '../shared/chat.ts';
import { useRecorder } from '../files/voice-recorder.ts';
import { typeOf, type Uploads } from '../files/uploads.ts';
import { Avatar } from '../people/avatar.tsx';
import './composer.css';
import { EmojiButton } from '../shared/emoji-button.tsx';
import { summaryOf } from '../messages/message.tsx';
import { clockOf } from '../shared/times.ts';
import { attempt, toast } from '../shared/toasts.tsx';
import { explain } from '../shared/errors.ts';

/** What was begun and not sent, for as long as the page is open. */
const drafts = new Map<string, string>();

export type Context = { readonly kind: 'reply' | 'edit'; readonly messageId: string };

interface Props {
  readonly view: ConversationView;
  readonly uploads: Uploads;
  readonly context: Context | undefined;
  readonly onContext: (context: Context | undefined) => void;
}

export function Composer(props: Props) {
  const { conversation } = props.view;
  const silent = silentReason(props.view);
  if (silent !== undefined)
    return (
      <p className="silent" role="note">
        {silent}
      </p>
    );
  return (
    <Editor key={`${conversation.id} ${props.context?.kind === 'edit' ? props.context.messageId : ''}`} {...props} />
  );
}

function silentReason({ conversation: { kind, me } }: ConversationView): string | undefined {
  if (me?.status === 'muted') return 'You are muted here: you can read, but not write.';
  if (kind === 'channel' && me?.role === 'member') return 'Only the admins of this channel write here. You can react.';
  return undefined;
}

function Editor({ view, uploads, context, onContext }: Props) {
  const client = useClient();
  const { id } = view.conversation;
  const subject = view.messages.find((message) => message.id === context?.messageId);
  const editing = context?.kind === 'edit' ? subject : undefined;
  const [text, setText] = useState(() => (editing ? editing.body : (drafts.get(id) ?? '')));
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const recorder = useRecorder();
  const change = (value: string) => {
    setText(value);
    if (!editing) client.typing(id, value.trim() !== '');
  };
  const completion = useCompletion(view, text, field, change);

  useEffect(() => {
    if (!editing) drafts.set(id, text);
  }, [editing, id, text]);
  useEffect(() => {
    if (context || matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [context, id]);
  // As high as what is in it. Style sheets can't do it in every browser yet.
  useLayoutEffect(() => {
    const box = field.current;
    if (!box) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);

  const arrived = uploads.items.flatMap(({ attachment }) => attachment ?? []);
  const waiting = uploads.items.some(({ attachment, problem }) => !attachment && !problem);
  const empty = text.trim() === '' && arrived.length === 0;

  const submit = () => {
    if (empty || waiting) return;
    const body = text.trim();
    if (editing) {
      onContext(undefined);
      if (body !== editing.body) void attempt(() => client.edit(editing.id, body));
      return;
    }
    const sent = client.send(id, {
      body,
      type: typeOf(arrived),
      ...(arrived.length > 0 && { attachmentIds: arrived.map((one) => one.id) }),
      ...(context?.kind === 'reply' && { replyTo: context.messageId }),
    });
    // Why it was refused stands at the message.
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
    change(box.value);
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
        {context && subject && (
          <ContextLine
            kind={context.kind}
            senderId={subject.senderId}
            summary={summaryOf(subject)}
            onClose={() => onContext(undefined)}
          />
        )}
        {!editing && uploads.items.length > 0 && <Files uploads={uploads} />}
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
                onChange={(event) => change(event.target.value)}
                onKeyDown={onKeyDown}
                onPaste={onPaste}
                onSelect={completion.update}
                onBlur={() => client.typing(id, false)}
              />
              <EmojiButton label="Emoji" icon={<Smile size={20} />} onPick={insert} />
              {empty && !editing && uploads.items.length === 0 ? (
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
                  disabled={empty || waiting}
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
  readonly kind: Context['kind'];
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

function Files({ uploads }: { readonly uploads: Uploads }) {
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

const MOST_NAMES = 6;

/** Completes `@na` to a member's username, by arrow keys and Enter or Tab, or by the pointer. */
function useCompletion(
  { members, conversation }: ConversationView,
  text: string,
  field: RefObject<HTMLTextAreaElement | null>,
  change: (value: string) => void,
) {
  const listId = useId();
  const users = useChat((state) => state.users);
  const me = useChat(({ user }) => user?.id);
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [dismissed, setDismissed] = useState<string>();
  const begun = /(?:^|\s)@([a-z0-9_.-]*)$/iu.exec(text.slice(0, caret))?.[1]?.toLowerCase();
  const found = useMemo(() => {
    if (begun === undefined || conversation.kind === 'direct') return [];
    const matches = ({ username, displayName }: User) =>
      username.startsWith(begun) ||
      displayName
        .toLowerCase()
        .split(/\s+/)
        .some((word) => word.startsWith(begun));
    const known: User[] = [];
    for (const userId of members.keys()) {
      const user = users.get(userId);
      if (user && userId !== me && matches(user)) known.push(user);
      if (known.length === MOST_NAMES) break;
    }
    return known;
  }, [begun, conversation.kind, me, members, users]);
  const open = found.length > 0 && dismissed !== begun;
  const selected = found[Math.min(at, found.length - 1)];

  const choose = (user: User) => {
    const box = field.current!;
    box.setRangeText(`${user.username} `, caret - begun!.length, caret, 'end');
    setCaret(box.selectionStart);
    setAt(0);
    change(box.value);
    box.focus();
  };
  return {
    update: () => setCaret(field.current?.selectionStart ?? 0),
    aria: {
      'aria-autocomplete': 'list' as const,
      ...(open && { 'aria-controls': listId, 'aria-activedescendant': `${listId}-${selected!.id}` }),
    },
    /** Whether the key was for the list. */
    onKey(event: KeyboardEvent): boolean {
      if (!open) return false;
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp')
        setAt((Math.min(at, found.length - 1) + (event.key === 'ArrowDown' ? 1 : -1) + found.length) % found.length);
      else if (event.key === 'Enter' || event.key === 'Tab') choose(selected!);
      else if (event.key === 'Escape') setDismissed(begun);
      else return false;
      event.preventDefault();
      return true;
    },
    list: open && (
      <ul className="completions" role="listbox" id={listId} aria-label="Members">
        {found.map((user) => (
          <li
            key={user.id}
            id={`${listId}-${user.id}`}
            role="option"
            aria-selected={user === selected}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(user);
            }}
          >
            <Avatar user={user} size={28} />
            <span className="cut">{user.displayName}</span>
            <span className="muted small cut">@{user.username}</span>
          </li>
        ))}
      </ul>
    ),
  };
}
