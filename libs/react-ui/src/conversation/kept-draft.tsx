import { hasVisibleText } from '@parley/contracts';
import { useClient } from '../shared/chat.ts';
import { copyText } from '../shared/copy.ts';
import { draftsOf, useDraft } from './drafts.ts';

/** What a user wrote in a conversation where they may not write any more. Shows nothing when there is nothing. */
export function KeptDraft({ id }: { readonly id: string }) {
  const drafts = draftsOf(useClient());
  const { text, edit, files, recording } = useDraft(id);
  const written = [edit?.text ?? '', text].filter(hasVisibleText).join('\n\n');
  const names = [...files.map(({ name }) => name), ...(recording ? ['a recording'] : [])];
  if (written === '' && names.length === 0) return null;
  return (
    <section className="kept-draft" aria-label="What you had not sent">
      <h3>What you had not sent</h3>
      {written !== '' && <textarea readOnly rows={5} value={written} dir="auto" aria-label="Unsent text" />}
      {names.length > 0 && <p className="muted small">With {names.join(', ')}</p>}
      <div className="row">
        {written !== '' && (
          <button type="button" className="button slim" onClick={() => copyText(written)}>
            Copy text
          </button>
        )}
        <button type="button" className="button slim danger" onClick={() => drafts.discard(id)}>
          Discard
        </button>
      </div>
    </section>
  );
}
