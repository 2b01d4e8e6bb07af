import { useDeferredValue, useState, useSyncExternalStore } from 'react';
import { Dialog, useClient } from '@parley/react-ui/parts';
import { frameLogOf, type LoggedFrame } from './frame-log.ts';
import { useAppStrings } from '../strings/app-strings.tsx';
import './log.css';

const directions = { in: '↓ in', out: '↑ call', answer: '↓ ack' } as const;

/** The frames of the protocol as they go over the socket, newest first. */
export default function ProtocolLog({ onClose }: { readonly onClose: () => void }) {
  const { protocolLog } = useAppStrings();
  const log = frameLogOf(useClient());
  const frames = useDeferredValue(useSyncExternalStore(log.subscribe, () => log.frames));
  const [filter, setFilter] = useState('');
  const shown = frames.filter(({ event }) => event.includes(filter.trim())).toReversed();
  return (
    <Dialog title={protocolLog.title} onClose={onClose}>
      <div className="log-bar">
        <input
          className="input"
          type="search"
          placeholder={protocolLog.placeholder}
          aria-label={protocolLog.filter}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <button type="button" className="button slim" onClick={() => log.clear()}>
          {protocolLog.clear}
        </button>
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by the keyboard */}
      <div className="log" role="region" aria-label={protocolLog.frames} tabIndex={0}>
        {shown.map((frame) => (
          <FrameEntry key={frame.id} frame={frame} />
        ))}
      </div>
    </Dialog>
  );
}

function FrameEntry({ frame: { at, direction, event, payload } }: { readonly frame: LoggedFrame }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
      <summary>
        <span className={`dir ${direction}`}>{directions[direction]}</span>
        <b>{event}</b>
        <span className="muted cut">{new Date(at).toISOString().slice(11, 23)}</span>
      </summary>
      {open && <pre>{JSON.stringify(payload, null, 2)}</pre>}
    </details>
  );
}
