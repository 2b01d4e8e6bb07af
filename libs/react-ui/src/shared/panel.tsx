import { X } from 'lucide-react';
import { useEffect, useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { isKey } from '../keys/keys.ts';
import { useStrings } from '../strings/strings.tsx';

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly wide?: boolean;
  readonly actions?: ReactNode;
}

/** A panel beside the messages, or over them on a narrow screen. Escape closes it, and the focus goes back. */
export function Panel({ title, onClose, children, wide = false, actions }: Props) {
  const { common } = useStrings();
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const panel = useRef<HTMLElement>(null);
  // Before anything in the panel takes the focus.
  const [opener] = useState(() => document.activeElement);
  const hadFocus = useRef(false);
  useLayoutEffect(() => () => void (hadFocus.current = panel.current?.contains(document.activeElement) ?? false), []);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    return () => {
      if (hadFocus.current && opener instanceof HTMLElement) opener.focus();
    };
  }, [opener]);
  return (
    <aside
      ref={panel}
      className={`panel${wide ? ' wide' : ''}`}
      aria-labelledby={id}
      onKeyDown={(event) => isKey('closePanel', event) && !event.defaultPrevented && onClose()}
    >
      <header>
        <h2 id={id} ref={heading} tabIndex={-1}>
          {title}
        </h2>
        {actions}
        <button type="button" className="icon-button" aria-label={common.close} onClick={onClose}>
          <X size={20} />
        </button>
      </header>
      {children}
    </aside>
  );
}
