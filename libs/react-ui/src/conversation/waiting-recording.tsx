import { Mic, Trash2 } from 'lucide-react';
import { isUploading } from '../files/uploads.ts';
import { useClient } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import type { Recording } from './draft.ts';
import { draftsOf } from './drafts.ts';
import { useStrings } from '../strings/strings.tsx';

/** A recording that is not sent yet: it is being uploaded, could not be, or was left before it was sent. */
export function WaitingRecording({ id, recording }: { readonly id: string; readonly recording: Recording }) {
  const {
    common,
    conversation: { composer, recording: texts },
  } = useStrings();
  const drafts = draftsOf(useClient());
  const { wanted, problem, reply } = recording;
  const isOnItsWay = wanted && isUploading(recording);
  const text = problem
    ? texts.failed(explain(problem))
    : isOnItsWay
      ? texts.sending
      : wanted
        ? texts.notSent
        : texts.waiting;
  return (
    <div className="composer-recording" role={problem ? 'alert' : 'status'}>
      <Mic size={18} />
      <span className="grow">
        {text}
        {reply && <small className="muted"> {texts.reply(reply.summary)}</small>}
      </span>
      {!isOnItsWay && (
        <button type="button" className="button slim" onClick={() => void drafts.sendRecording(id)}>
          {wanted ? common.tryAgain : texts.send}
        </button>
      )}
      <button
        type="button"
        className="icon-button small"
        aria-label={composer.discardRecording}
        onClick={() => drafts.discardRecording(id)}
      >
        <Trash2 size={18} />
      </button>
    </div>
  );
}
