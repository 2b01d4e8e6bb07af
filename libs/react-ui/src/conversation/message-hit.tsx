import type { Found } from '@parley/contracts';
import { useUser } from '../shared/chat.ts';
import { Highlight } from '../shared/highlight.tsx';
import { briefTimeOf } from '../shared/times.ts';
import { useStrings } from '../strings/strings.tsx';

/** One found or pinned message in a list. */
export function MessageHit({
  message,
  highlight,
  onPick,
}: {
  readonly message: Found['message'];
  readonly highlight: string;
  readonly onPick: (seq: number) => void;
}) {
  // The time is in the chosen language.
  useStrings();
  const sender = useUser(message.senderId);
  return (
    <button type="button" className="person" onClick={() => onPick(message.seq)}>
      <span className="grow">
        <span className="row">
          <strong className="grow cut" dir="auto">
            {sender?.displayName ?? '…'}
          </strong>
          <time className="muted small" dateTime={message.createdAt}>
            {briefTimeOf(message.createdAt)}
          </time>
        </span>
        <small className="hit">
          <Highlight text={highlight} />
        </small>
      </span>
    </button>
  );
}
