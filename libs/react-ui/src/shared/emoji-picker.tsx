import { Search } from 'lucide-react';
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { useStrings } from '../strings/strings.tsx';
import { categories, emojiByCategory, findEmoji, searchEmoji, type Category, type PickerEmoji } from './emoji-data.ts';
import { recentEmoji, rememberEmoji } from './recent-emoji.ts';
import { Preference, usePreference } from './preference.ts';

const MAX_FOUND = 96;
const MAX_QUERY = 60;
const tones = ['0', '1', '2', '3', '4', '5'] as const;
const skinTone = new Preference('parley-skin-tone', tones, '0');
const hands = ['✋', ...findEmoji('✋')!.toned];

/** An emoji as it is shown: with its tone of skin. */
interface Shown {
  readonly emoji: string;
  readonly name: string;
}

const toned = ({ emoji, name, toned: tonedEmoji }: PickerEmoji, tone: number): Shown => ({
  emoji: (tone > 0 ? tonedEmoji[tone - 1] : undefined) ?? emoji,
  name,
});

/** All emoji, by category or search, with the recent ones first. The arrow keys move among them. */
export default function EmojiPicker({ onPick }: { readonly onPick: (emoji: string) => void }) {
  const { emoji: texts } = useStrings();
  const id = useId();
  const [query, setQuery] = useState('');
  const [category, setCategory] = useState<Category>('smileys');
  const [named, setNamed] = useState<Shown>();
  const tone = Number(usePreference(skinTone));
  const [recent] = useState(() => recentEmoji().map((emoji) => ({ emoji, name: findEmoji(emoji)?.name ?? emoji })));
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const isSearch = query.trim() !== '';
  const found = isSearch ? searchEmoji(query, MAX_FOUND) : (emojiByCategory.get(category) ?? []);
  const shown = found.map((entry) => toned(entry, tone));
  useEffect(() => {
    list.current?.querySelector('button')?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    if (list.current) list.current.scrollTop = 0;
  }, [query, category]);
  const pick = (emoji: string) => {
    rememberEmoji(emoji);
    onPick(emoji);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const isText = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
    // The key types into the field that has the focus when it is over.
    if (isText) return search.current?.focus();
    const target = targetOf(event, list.current);
    if (!target) return;
    event.preventDefault();
    target.focus();
  };
  return (
    <div className="emoji-picker">
      <label className="emoji-search">
        <Search size={16} aria-hidden="true" />
        <input
          ref={search}
          type="search"
          value={query}
          maxLength={MAX_QUERY}
          aria-label={texts.search}
          placeholder={texts.search}
          aria-controls={id}
          onChange={({ target }) => setQuery(target.value)}
          onKeyDown={(event) => {
            if (event.nativeEvent.isComposing) return;
            const [first] = shown;
            if (event.key === 'Enter') {
              event.preventDefault();
              if (isSearch && first) pick(first.emoji);
            } else if (event.key === 'ArrowDown') {
              event.preventDefault();
              list.current?.querySelector('button')?.focus();
            }
          }}
        />
      </label>
      {!isSearch && (
        <div className="emoji-categories" role="group" aria-label={texts.categories}>
          {categories.map(({ key, icon }) => (
            <button
              key={key}
              type="button"
              aria-pressed={key === category}
              aria-label={texts.category[key]}
              title={texts.category[key]}
              onClick={() => setCategory(key)}
            >
              {icon}
            </button>
          ))}
        </div>
      )}
      <div id={id} ref={list} className="emoji-list" onKeyDown={onKeyDown}>
        {!isSearch && recent.length > 0 && (
          <EmojiGroup title={texts.recent} emoji={recent} hasTabStop onPick={pick} onName={setNamed} />
        )}
        <EmojiGroup
          title={isSearch ? texts.found : texts.category[category]}
          emoji={shown}
          hasTabStop={isSearch || recent.length === 0}
          onPick={pick}
          onName={setNamed}
        />
        {shown.length === 0 && (
          <p className="emoji-none" role="status">
            {texts.nothingFound}
          </p>
        )}
      </div>
      <div className="emoji-foot">
        <span className="grow cut" aria-hidden="true">
          {named ? `${named.emoji} ${named.name}` : ''}
        </span>
        <span className="emoji-tones" role="group" aria-label={texts.skinTone}>
          {tones.map((choice) => (
            <button
              key={choice}
              type="button"
              aria-pressed={Number(choice) === tone}
              aria-label={texts.skinTones[choice]}
              title={texts.skinTones[choice]}
              onClick={() => skinTone.choose(choice)}
            >
              {hands[Number(choice)]}
            </button>
          ))}
        </span>
      </div>
    </div>
  );
}

interface GroupProps {
  readonly title: string;
  readonly emoji: readonly Shown[];
  /** Whether Tab reaches its first emoji. The arrow keys reach the others. */
  readonly hasTabStop: boolean;
  readonly onPick: (emoji: string) => void;
  readonly onName: (emoji: Shown) => void;
}

function EmojiGroup({ title, emoji, hasTabStop, onPick, onName }: GroupProps) {
  if (emoji.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <div className="emoji-grid">
        {emoji.map((one, at) => (
          <button
            key={one.emoji}
            type="button"
            tabIndex={hasTabStop && at === 0 ? 0 : -1}
            aria-label={one.name}
            title={one.name}
            data-emoji={one.emoji}
            onClick={() => onPick(one.emoji)}
            onFocus={() => onName(one)}
            onPointerEnter={() => onName(one)}
          >
            {one.emoji}
          </button>
        ))}
      </div>
    </section>
  );
}

/** The emoji that a key moves to: the next one in a row, the nearest one of the next row, the first or the last. */
function targetOf({ key, target }: KeyboardEvent, list: HTMLElement | null): HTMLElement | undefined {
  const buttons = [...(list?.querySelectorAll<HTMLElement>('.emoji-grid button') ?? [])];
  const at = buttons.indexOf(target as HTMLElement);
  if (!list || at === -1) return undefined;
  const forward = getComputedStyle(list).direction === 'rtl' ? -1 : 1;
  const step = { ArrowRight: forward, ArrowLeft: -forward }[key];
  if (step !== undefined) return buttons[at + step];
  if (key === 'Home') return buttons[0];
  if (key === 'End') return buttons.at(-1);
  if (key !== 'ArrowDown' && key !== 'ArrowUp') return undefined;
  const { left, top } = buttons[at]!.getBoundingClientRect();
  const places = buttons.map((button) => ({ button, box: button.getBoundingClientRect() }));
  const beyond = places.filter(({ box }) => (key === 'ArrowDown' ? box.top > top + 1 : box.top < top - 1));
  const row = key === 'ArrowDown' ? beyond[0]?.box.top : beyond.at(-1)?.box.top;
  return beyond
    .filter(({ box }) => row !== undefined && Math.abs(box.top - row) < 1)
    .toSorted((one, other) => Math.abs(one.box.left - left) - Math.abs(other.box.left - left))[0]?.button;
}
