import { hasVisibleText } from '@parley/contracts';
import { useClient } from '../shared/chat.ts';
import { copyText } from '../shared/copy.ts';
import { draftsOf, useDraft } from './drafts.ts';
import { useStrings } from '../strings/strings.tsx';

/** What a user wrote in a conversation where they may not write any more. Shows nothing when there is nothing. */
export function KeptDraft({ id }: { readonly id: string }) {
  const {
    common,
    conversation: { drafts: strings },
  } = useStrings();
  const drafts = draftsOf(useClient());
  const { text, edit, files, recording } = useDraft(id);
  const written = [edit?.text ?? '', text].filter(hasVisibleText).join('\n\n');
  const names = [...files.map(({ name }) => name), ...(recording ? [strings.recording] : [])];
  if (written === '' && names.length === 0) return null;
  return (
    <section className="kept-draft" aria-label={strings.title}>
      <h3>{strings.title}</h3>
      {written !== '' && <textarea readOnly rows={5} value={written} dir="auto" aria-label={strings.text} />}
      {names.length > 0 && <p className="muted small">{strings.with(common.list(names))}</p>}
      <div className="row">
        {written !== '' && (
          <button type="button" className="button slim" onClick={() => copyText(written)}>
            {common.copyText}
          </button>
        )}
        <button type="button" className="button slim danger" onClick={() => drafts.discard(id)}>
          {common.discard}
        </button>
      </div>
    </section>
  );
}
