import { Dialog } from '../shared/dialog.tsx';
import { keys, labelsOf } from './keys.ts';

const places = Object.entries(Object.groupBy(Object.values(keys), ({ where }) => where));

/** Lists the keys. */
export default function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      {places.map(([where, entries]) => (
        <section key={where}>
          <h3 className="muted small">{where}</h3>
          <dl className="keys">
            {entries.map((entry) => (
              <div key={entry.text}>
                <dt>
                  {entry.keys.map((combination) => (
                    <span key={combination}>
                      {labelsOf(combination).map((label) => (
                        <kbd key={label}>{label}</kbd>
                      ))}
                    </span>
                  ))}
                </dt>
                <dd>{entry.text}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
