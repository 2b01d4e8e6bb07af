import { useState, type FormEvent } from 'react';
import { useClient, useView } from '../shared/chat.ts';
import { Dialog } from '../shared/dialog.tsx';
import { explain } from '../shared/errors.ts';
import { textField } from '../shared/forms.ts';
import { findByDate, messagesOf } from './find-message.ts';
import { useStrings } from '../strings/strings.tsx';

interface Props {
  readonly id: string;
  readonly onPick: (seq: number) => void;
  readonly onClose: () => void;
}

/** Goes to the first message of a day, or of the next day that has one. */
export default function DateDialog({ id, onPick, onClose }: Props) {
  const strings = useStrings();
  const client = useClient();
  const view = useView(id);
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const search = async (day: string) => {
    const midnight = new Date(`${day}T00:00`).getTime();
    const seq = await findByDate(messagesOf(client, id), view?.conversation.lastSeq ?? 0, midnight);
    if (seq === undefined) return setProblem(strings.messages.noDay);
    onPick(seq);
    return onClose();
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const day = textField(new FormData(event.currentTarget), 'day');
    setProblem(undefined);
    setBusy(true);
    search(day)
      .catch((error: unknown) => setProblem(explain(error)))
      .finally(() => setBusy(false));
  };
  return (
    <Dialog title={strings.conversation.jumpToDate} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <label className="field">
          <span>{strings.messages.day}</span>
          <input className="input" type="date" name="day" required />
        </label>
        {problem !== undefined && (
          <p className="notice bad" role="alert">
            {problem}
          </p>
        )}
        <div className="row end">
          <button className="button primary" disabled={isBusy}>
            {strings.messages.jump}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
