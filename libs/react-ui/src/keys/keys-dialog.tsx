import { Dialog } from '../shared/dialog.tsx';
import { keys, labelsOf, type KeyName } from './keys.ts';
import { useStrings } from '../strings/strings.tsx';

const places = Object.entries(Object.groupBy(Object.keys(keys) as KeyName[], (name) => keys[name].where));

/** Lists the keys. */
export default function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  const { keys: strings } = useStrings();
  return (
    <Dialog title={strings.title} onClose={onClose}>
      {places.map(([where, entries]) => (
        <section key={where}>
          <h3 className="muted small">{strings.places[where as keyof typeof strings.places]}</h3>
          <dl className="keys">
            {entries.map((name) => (
              <div key={name}>
                <dt>
                  {keys[name].keys.map((combination) => (
                    <span key={combination}>
                      {labelsOf(combination).map((label) => (
                        <kbd key={label}>{label}</kbd>
                      ))}
                    </span>
                  ))}
                </dt>
                <dd>{strings.texts[name]}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
