import { Mic, Trash2 } from 'lucide-react';
import { isUploading } from '../files/uploads.ts';
import { useClient } from '../shared/chat.ts';
import { explain } from '../shared/errors.ts';
import type { Recording } from './draft.ts';
import { draftsOf } from './drafts.ts';

/** A recording that is not sent yet: it is being uploaded, could not be, or was left before it was sent. */
export function WaitingRecording({ id, recording }: { readonly id: string; readonly recording: Recording }) {
  const drafts = draftsOf(useClient());
  const { wanted, problem, reply } = recording;
  const isOnItsWay = wanted && isUploading(recording);
  const text = problem
    ? `This recording was not sent. ${explain(problem)}`
    : isOnItsWay
      ? 'Sending the recording …'
      : wanted
        ? 'This recording was not sent.'
        : 'You have a recording that is not sent.';
  return (
    <div className="composer-recording" role={problem ? 'alert' : 'status'}>
      <Mic size={18} />
      <span className="grow">
        {text}
        {reply && <small className="muted"> As a reply to: {reply.summary}</small>}
      </span>
      {!isOnItsWay && (
        <button type="button" className="button slim" onClick={() => void drafts.sendRecording(id)}>
          {wanted ? 'Try again' : 'Send it'}
        </button>
      )}
      <button
        type="button"
        className="icon-button small"
        aria-label="Discard the recording"
        onClick={() => drafts.discardRecording(id)}
      >
        <Trash2 size={18} />
      </button>
    </div>
  );
}
