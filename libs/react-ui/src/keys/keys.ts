import { useEffect, useRef } from 'react';

/** All keys of the app that a browser does not have by itself. What handles a key asks {@link isKey}. */
export const keys = {
  find: { keys: ['Mod+k'], where: 'everywhere' },
  undo: { keys: ['Mod+z'], where: 'everywhere' },
  help: { keys: ['?'], where: 'everywhere' },
  send: { keys: ['Enter', 'Mod+Enter'], where: 'composer' },
  editLast: { keys: ['ArrowUp'], where: 'composer' },
  cancel: { keys: ['Escape'], where: 'composer' },
  messageAbove: { keys: ['ArrowUp'], where: 'message' },
  messageBelow: { keys: ['ArrowDown'], where: 'message' },
  closePanel: { keys: ['Escape'], where: 'panel' },
} as const satisfies Record<string, { keys: readonly string[]; where: string }>;
/** The name of a key. */
export type KeyName = keyof typeof keys;

type Pressed = Pick<KeyboardEvent, 'key' | 'keyCode' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'> & {
  /** React's events have it here. */
  readonly nativeEvent?: Pick<KeyboardEvent, 'isComposing'>;
  readonly isComposing?: boolean;
};

/** The `keyCode` of a key that an input method takes. */
const IME_KEY = 229;

/**
 * Whether the key belongs to an input method (IME), as Enter does while it chooses characters. Safari ends the
 * composition before the Enter that ended it; only the code tells then.
 */
export const isOfIme = ({ keyCode, isComposing, nativeEvent }: Pressed): boolean =>
  keyCode === IME_KEY || isComposing === true || nativeEvent?.isComposing === true;

const isApple = (): boolean => /Mac|iP(?:hone|ad|od)/.test(navigator.platform);

/** Whether the event is a key of this name, and not of an input method. `apple`: whether ⌘ takes the place of Ctrl. */
export function isKey(name: KeyName, event: Pressed, apple = isApple()): boolean {
  if (isOfIme(event)) return false;
  return keys[name].keys.some((combination) => {
    const needsMod = combination.startsWith('Mod+');
    const key = needsMod ? combination.slice('Mod+'.length) : combination;
    const [mod, other] = apple ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
    // A character may need Shift, which differs between keyboards, or AltGr, which counts as Ctrl with Alt.
    const isCharacter = key.length === 1 && !needsMod;
    return (
      event.key.toLowerCase() === key.toLowerCase() &&
      (isCharacter || (mod === needsMod && !other && !event.altKey && !event.shiftKey)) &&
      !(isCharacter && mod && !event.altKey)
    );
  });
}

const symbols: Readonly<Record<string, string>> = { ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', k: 'K', z: 'Z' };

/** The parts of a combination as they stand on the keyboard. */
export const labelsOf = (combination: string, apple = isApple()): string[] =>
  combination.split('+').map((part) => (part === 'Mod' ? (apple ? '⌘' : 'Ctrl') : (symbols[part] ?? part)));

const isTextField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');

/** Handles keys that work everywhere; single characters and undo not while something is written. None works behind a dialog. */
export function useGlobalKeys(handlers: Partial<Record<KeyName, () => void>>): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const name = (Object.keys(latest.current) as KeyName[]).find((one) => isKey(one, event));
      if (name === undefined || event.defaultPrevented) return;
      const isOfText = name === 'undo' || (event.key.length === 1 && !event.ctrlKey && !event.metaKey);
      if (isOfText && isTextField(event.target)) return;
      event.preventDefault();
      if (!document.querySelector('dialog[open]')) latest.current[name]?.();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}
