import { useSyncExternalStore } from 'react';
import { useClient } from './chat.ts';
import { useStrings } from '../strings/strings.tsx';
import { undoQueueOf } from './undo.ts';

/** Says what was just done, and undoes it. It stays while the pointer or the focus is on it. */
export function UndoNotice() {
  const queue = undoQueueOf(useClient());
  const change = useSyncExternalStore(queue.subscribe, () => queue.current);
  const { undo } = useStrings();
  return (
    <div className="toasts undo" role="status">
      {change && (
        <div
          key={change.subject}
          className="toast"
          onPointerEnter={() => queue.pause()}
          onPointerLeave={() => queue.resume()}
          onFocus={() => queue.pause()}
          onBlur={() => queue.resume()}
        >
          <span>{change.text}</span>
          <button type="button" aria-keyshortcuts="Control+Z Meta+Z" onClick={() => queue.undo()}>
            {undo.undo}
          </button>
        </div>
      )}
    </div>
  );
}
