import { Radio, SendHorizontal, ShieldCheck } from 'lucide-react';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { useClient, usePartner } from '../shared/chat.ts';
import { peerChatsOf } from './peer-chat.ts';
import { Panel } from '../shared/panel.tsx';
import { RichText } from '../messages/rich-text.tsx';
import { timeOf } from '../shared/times.ts';
import { attempt } from '../shared/toasts.tsx';

/** The panel of a direct connection. Its messages never reach the server's database. */
export default function PeerPanel({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const chat = peerChatsOf(useClient()).of(id);
  const { phase, messages, problem } = useSyncExternalStore(chat.subscribe, () => chat.state);
  const partner = usePartner(id);
  const name = partner?.displayName ?? 'the other one';
  return (
    <Panel
      title="Direct connection"
      onClose={onClose}
      actions={
        phase === 'idle' ? undefined : (
          <button type="button" className="button slim danger" onClick={() => chat.hangUp()}>
            Disconnect
          </button>
        )
      }
    >
      <p className="peer-mark">
        <ShieldCheck size={18} />
        <span>
          <strong>Not stored.</strong> These messages go from browser to browser, and are gone when this page is closed.
        </span>
      </p>
      {phase === 'open' || messages.length > 0 ? (
        <PeerMessages chat={chat} isOpen={phase === 'open'} messages={messages} />
      ) : (
        <div className="empty grow">
          <Radio size={40} />
          <h2>
            {
              {
                idle: `Talk to ${name} directly`,
                calling: `Asking ${name} …`,
                ringing: `${name} wants to talk directly`,
                connecting: 'Connecting …',
                open: '',
              }[phase]
            }
          </h2>
        </div>
      )}
      <div className="peer-foot">
        {problem !== undefined && phase === 'idle' && (
          <p className="notice" role="status">
            {problem}
          </p>
        )}
        {phase === 'idle' && (
          <button
            type="button"
            className="button primary wide"
            disabled={!partner}
            onClick={() => void attempt(() => chat.start(partner!.id))}
          >
            Connect
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
  const [text, setText] = useState('');
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Some browsers return a promise here.
    void end.current?.scrollIntoView({ block: 'end' });
  }, [messages]);
  return (
    <>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by the keyboard */}
      <div className="peer-log" role="log" aria-label="Messages that are not stored" tabIndex={0}>
        {messages.map(({ id, own, body, at }) => (
          <div key={id} className={own ? 'peer-message own' : 'peer-message'}>
            <div className="bubble-text">
              <RichText body={body} />
            </div>
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
          <input
            className="input"
            aria-label="Message that is not stored"
            placeholder="Not stored"
            value={text}
            maxLength={8000}
            onChange={({ target }) => setText(target.value)}
          />
          <button className="icon-button filled" aria-label="Send directly" disabled={text.trim() === ''}>
            <SendHorizontal size={19} />
          </button>
        </form>
      )}
    </>
  );
}
