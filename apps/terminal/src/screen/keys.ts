import { useInput, usePaste, type Key } from 'ink';
import { draftOf, isCommand, runCommand } from '../commands/commands.js';
import { errorText } from '../errors.js';
import type { Composer } from './composer.js';
import {
  end,
  eraseAfter,
  eraseBefore,
  eraseToEnd,
  eraseToHome,
  eraseWord,
  home,
  left,
  right,
  type EditedText,
} from './editor.js';
import type { ScreenState } from './screen-state.js';

const controlKeys: Readonly<Record<string, (edited: EditedText) => EditedText>> = {
  a: home,
  e: end,
  u: eraseToHome,
  k: eraseToEnd,
  w: eraseWord,
  b: left,
  f: right,
  d: eraseAfter,
};

const editOf = (input: string, key: Key): ((edited: EditedText) => EditedText) | undefined =>
  key.leftArrow
    ? left
    : key.rightArrow
      ? right
      : key.home
        ? home
        : key.end
          ? end
          : key.backspace
            ? eraseBefore
            : key.delete
              ? eraseAfter
              : key.ctrl
                ? controlKeys[input]
                : undefined;

/** Handles the keys of the screen, except for scrolling. */
export function useKeys(state: ScreenState, composer: Composer): void {
  const { client } = state;
  const reportTyping = () => {
    const id = state.current();
    const { text } = composer.get();
    if (id !== undefined && !text.startsWith('/')) client.typing(id, text !== '');
  };
  useInput((input, key) => {
    if (key.return && !key.meta) return submit(state, composer);
    if (key.tab) return void ((!key.shift && composer.complete()) || state.step(key.shift ? -1 : 1));
    if (key.ctrl && input === 'g') return state.step(1, true);
    if (key.upArrow || key.downArrow) return composer.recall(key.upArrow ? -1 : 1);
    const edit = editOf(input, key);
    if (edit) composer.edit(edit);
    else if (key.return || input === '\n' || (key.ctrl && input === 'j')) composer.type('\n');
    else if (input !== '' && !key.ctrl && !key.meta && !key.escape) typeKeys(state, composer, input);
    else return;
    reportTyping();
  });
  usePaste((text) => {
    composer.type(text);
    reportTyping();
  });
}

/** Keys that are typed faster than the screen is drawn arrive together, Enter and Tab among them. */
function typeKeys(state: ScreenState, composer: Composer, input: string): void {
  for (const part of input.split(/([\r\t])/)) {
    if (part === '\r') submit(state, composer);
    else if (part === '\t' && composer.complete()) continue;
    else if (part !== '') composer.type(part);
  }
}

function submit(state: ScreenState, composer: Composer): void {
  const text = composer.take().trimEnd();
  state.clear();
  if (text === '') return;
  if (isCommand(text)) return void runCommand(state, text);
  const id = state.current();
  if (id === undefined) return state.say('no conversation is open: see /open and /new');
  try {
    state.client.send(id, draftOf(text));
  } catch (error) {
    composer.type(text);
    state.say(errorText(error));
  }
}
