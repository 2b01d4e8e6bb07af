import { SmilePlus } from 'lucide-react';
import { useId, useRef, type ReactNode } from 'react';

const choices = [
  '👍',
  '❤️',
  '😂',
  '🎉',
  '😮',
  '😢',
  '🙏',
  '🔥',
  '👏',
  '😀',
  '😉',
  '😊',
  '😍',
  '🥰',
  '😎',
  '🤔',
  '🙃',
  '😅',
  '😭',
  '😡',
  '🤯',
  '🥳',
  '😴',
  '🤝',
  '👋',
  '🙌',
  '💪',
  '👀',
  '✅',
  '❌',
  '❓',
  '💡',
  '🚀',
  '⭐',
  '🌈',
  '☀️',
  '🌙',
  '⚡',
  '☕',
  '🍕',
  '🍰',
  '🎂',
  '🎁',
  '🎵',
  '⚽',
  '🏆',
  '📌',
  '💯',
];

interface Props {
  readonly label: string;
  readonly className?: string;
  readonly icon?: ReactNode;
  readonly onPick: (emoji: string) => void;
  readonly onToggle?: (open: boolean) => void;
}

/** A button that opens a small choice of emoji. */
export function EmojiButton({
  label,
  className = 'icon-button',
  icon = <SmilePlus size={18} />,
  onPick,
  onToggle,
}: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const position = () => {
    const [anchor, popover] = [button.current?.getBoundingClientRect(), box.current];
    if (!anchor || !popover) return;
    const { width, height } = popover.getBoundingClientRect();
    const above = anchor.top - height - 6;
    const top = above > 8 ? above : Math.max(8, Math.min(anchor.bottom + 6, innerHeight - height - 8));
    popover.style.top = `${top}px`;
    popover.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - width - 8))}px`;
    popover.querySelector('button')?.focus();
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
          onToggle?.(newState === 'open');
          if (newState === 'open') position();
        }}
      >
        <div className="emoji-grid">
          {choices.map((emoji) => (
            <button
              key={emoji}
              type="button"
              aria-label={emoji}
              onClick={() => {
                box.current?.hidePopover();
                onPick(emoji);
              }}
            >
              {emoji}
            </button>
          ))}
        </div>
      </div>
    </>
  );
}
