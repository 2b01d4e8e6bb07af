import { FileText, Paperclip, Radio, SendHorizontal, ShieldCheck } from 'lucide-react';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { useClient, useMe, usePartner } from '../shared/chat.ts';
import { peerChatsOf } from './peer-chat.ts';
import type { Transfer } from './peer-files.ts';
import { Panel } from '../shared/panel.tsx';
import { RichText } from '../messages/rich-text.tsx';
import { sizeOf, timeOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';
import { useStrings } from '../strings/strings.tsx';

/** The panel of a direct connection. Its messages never reach the server's database. */
export default function PeerPanel({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { peer } = useStrings();
  const chat = peerChatsOf(useClient()).of(id);
  const { phase, messages, problem, isKept, isPartnerAway } = useSyncExternalStore(chat.subscribe, () => chat.state);
  const me = useMe();
  const partner = usePartner(id);
  const partnerId = partner?.id;
  const name = partner?.displayName ?? peer.other;
  useEffect(() => {
    chat.setPanel(true);
    return () => chat.setPanel(false);
  }, [chat]);
  useEffect(() => {
    if (partnerId !== undefined) void chat.load(me.id, partnerId);
  }, [chat, me.id, partnerId]);
  return (
    <Panel
      title={peer.title}
      onClose={onClose}
      actions={
        phase === 'idle' ? undefined : (
          <button type="button" className="button slim danger" onClick={() => chat.hangUp()}>
            {peer.disconnect}
          </button>
        )
      }
    >
      <p className="peer-mark">
        <ShieldCheck size={18} />
        <span>
          <strong>{isKept ? peer.kept : peer.notStored}</strong> {isKept ? peer.keptHint : peer.notStoredHint}
        </span>
      </p>
      <label className="switch peer-keep">
        <span>
          {peer.keep}
          <small>{peer.keepHint}</small>
        </span>
        <input
          type="checkbox"
          role="switch"
          checked={isKept ?? false}
          disabled={isKept === undefined || partnerId === undefined}
          onChange={({ target }) => void chat.keep(me.id, partnerId!, target.checked)}
        />
      </label>
      {phase === 'open' || messages.length > 0 ? (
        <PeerMessages chat={chat} isOpen={phase === 'open'} messages={messages} />
      ) : (
        <div className="empty grow">
          <Radio size={40} />
          <h2>{phase === 'connecting' ? peer.connecting : peer[phase](name)}</h2>
        </div>
      )}
      <div className="peer-foot">
        {phase === 'open' && isPartnerAway && (
          <p className="notice" role="status">
            {peer.isAway(name)}
          </p>
        )}
        {problem !== undefined && phase === 'idle' && (
          <p className="notice" role="status">
            {peer.problems[problem]}
          </p>
        )}
        {phase === 'idle' && (
          <button
            type="button"
            className="button primary wide"
            disabled={!partner}
            onClick={() => void attempt(() => chat.start(partner!.id))}
          >
            {peer.connect}
          </button>
        )}
      </div>
    </Panel>
  );
}

type Chat = ReturnType<ReturnType<typeof peerChatsOf>['of']>;

function PeerMessages({
  chat,
  isOpen,
  messages,
}: {
  readonly chat: Chat;
  readonly isOpen: boolean;
  readonly messages: Chat['state']['messages'];
}) {
  const { peer } = useStrings();
  const [text, setText] = useState('');
  const picker = useRef<HTMLInputElement>(null);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Some browsers return a promise here.
    void end.current?.scrollIntoView({ block: 'end' });
  }, [messages]);
  return (
    <>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by the keyboard */}
      <div className="peer-log" role="log" aria-label={peer.messages} tabIndex={0}>
        {messages.map(({ id, own, body, at, file }) => (
          <div key={id} className={own ? 'peer-message own' : 'peer-message'}>
            {file ? (
              <FileOnItsWay chat={chat} file={file} />
            ) : (
              <div className="bubble-text">
                <RichText body={body} />
              </div>
            )}
            <time dateTime={at}>{timeOf(at)}</time>
          </div>
        ))}
        <div ref={end} />
      </div>
      {isOpen && (
        <form
          className="peer-line"
          onSubmit={(event) => {
            event.preventDefault();
            chat.send(text.trim());
            setText('');
          }}
        >
          <button
            type="button"
            className="icon-button"
            aria-label={peer.sendFile}
            title={peer.sendFile}
            onClick={() => picker.current?.click()}
          >
            <Paperclip size={19} />
          </button>
          <input
            ref={picker}
            type="file"
            hidden
            aria-hidden="true"
            onChange={({ target }) => {
              const [file] = target.files ?? [];
              if (file) chat.offerFile(file);
              target.value = '';
            }}
          />
          <input
            className="input"
            aria-label={peer.message}
            placeholder={peer.placeholder}
            value={text}
            maxLength={8000}
            onChange={({ target }) => setText(target.value)}
          />
          <button className="icon-button filled" aria-label={peer.send} disabled={text.trim() === ''}>
            <SendHorizontal size={19} />
          </button>
        </form>
      )}
    </>
  );
}

function FileOnItsWay({ chat, file }: { readonly chat: Chat; readonly file: Transfer }) {
  const { common, peer } = useStrings();
  const { id, own, name, size, state, bytes, blob } = file;
  const save = () => {
    const url = URL.createObjectURL(blob!);
    const link = document.createElement('a');
    Object.assign(link, { href: url, download: name });
    link.click();
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  const asks = state === 'offered' && !own;
  return (
    <div className="peer-file">
      <FileText size={20} />
      <span className="grow">
        <span>{name}</span>
        <small>
          {sizeOf(size)}
          {!asks && state !== 'moving' && ` · ${peer.fileStates[state]}`}
        </small>
        {state === 'moving' && <progress max={Math.max(1, size)} value={bytes} aria-label={peer.progress(name)} />}
      </span>
      {asks && (
        <>
          <button type="button" className="button slim" onClick={() => chat.endFile(id)}>
            {peer.decline}
          </button>
          <button type="button" className="button primary slim" onClick={() => chat.acceptFile(id)}>
            {peer.receive}
          </button>
        </>
      )}
      {(state === 'moving' || (state === 'offered' && own)) && (
        <button type="button" className="button slim" onClick={() => chat.endFile(id)}>
          {common.cancel}
        </button>
      )}
      {blob && (
        <button type="button" className="button slim" onClick={save}>
          {common.save}
        </button>
      )}
    </div>
  );
}
