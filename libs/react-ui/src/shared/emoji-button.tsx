import { SmilePlus } from 'lucide-react';
import { Suspense, useId, useRef, useState, type ReactNode } from 'react';
import { ErrorBoundary, lazyPart } from './error-boundary.tsx';
import { useStrings } from '../strings/strings.tsx';

/** Loaded when it is first opened, because the names of all emoji are large. */
const EmojiPicker = lazyPart(() => import('./emoji-picker.tsx'));

interface Props {
  readonly label: string;
  readonly className?: string;
  readonly icon?: ReactNode;
  readonly onPick: (emoji: string) => void;
  readonly onToggle?: (open: boolean) => void;
}

/** A button that opens a choice of all emoji. */
export function EmojiButton({
  label,
  className = 'icon-button',
  icon = <SmilePlus size={18} />,
  onPick,
  onToggle,
}: Props) {
  const { common } = useStrings();
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const position = () => {
    const [anchor, popover] = [button.current?.getBoundingClientRect(), box.current];
    if (!anchor || !popover) return;
    const { width, height } = popover.getBoundingClientRect();
    const above = anchor.top - height - 6;
    const top = above > 8 ? above : Math.max(8, Math.min(anchor.bottom + 6, innerHeight - height - 8));
    popover.style.top = `${top}px`;
    popover.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - width - 8))}px`;
  };
  return (
    <>
      <button ref={button} type="button" className={className} aria-label={label} title={label} popoverTarget={id}>
        {icon}
      </button>
      <div
        ref={box}
        id={id}
        popover="auto"
        className="menu emoji-pop"
        role="group"
        aria-label={label}
        onToggle={({ newState }) => {
          const isOpen = newState === 'open';
          setOpen(isOpen);
          onToggle?.(isOpen);
          if (isOpen) position();
        }}
      >
        {open && (
          <ErrorBoundary>
            <Suspense fallback={<span className="spinner" role="status" aria-label={common.loading} />}>
              <EmojiPicker
                onPick={(emoji) => {
                  box.current?.hidePopover();
                  onPick(emoji);
                }}
              />
            </Suspense>
          </ErrorBoundary>
        )}
      </div>
    </>
  );
}
