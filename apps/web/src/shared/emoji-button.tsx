import { SmilePlus } from 'lucide-react';
import { useId, useRef, type ReactNode } from 'react';
import '../messages/message.css';
import './overlay.css';

const emojis = [
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

/** A button that opens a small choice of emojis. */
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
  const place = () => {
    const [at, pop] = [button.current?.getBoundingClientRect(), box.current];
    if (!at || !pop) return;
    const { width, height } = pop.getBoundingClientRect();
    pop.style.top = `${Math.max(8, at.top - height - 6 > 8 ? at.top - height - 6 : Math.min(at.bottom + 6, innerHeight - height - 8))}px`;
    pop.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    pop.querySelector('button')?.focus();
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
          if (newState === 'open') place();
        }}
      >
        <div className="emoji-grid">
          {emojis.map((emoji) => (
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
