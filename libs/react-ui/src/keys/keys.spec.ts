import { expect, it } from 'vitest';
import { isKey, keys, labelsOf, type KeyName } from './keys.ts';

const press = (
  key: string,
  modifiers: Partial<Record<'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey' | 'isComposing', boolean>> = {},
  keyCode = 0,
) => ({ key, keyCode, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...modifiers });

it.each([
  ['find', press('k', { ctrlKey: true }), false, true],
  ['find', press('K', { ctrlKey: true }), false, true],
  ['find', press('k', { metaKey: true }), false, false],
  ['find', press('k', { metaKey: true }), true, true],
  ['find', press('k', { ctrlKey: true }), true, false],
  ['find', press('k'), false, false],
  ['find', press('K', { ctrlKey: true, shiftKey: true }), false, false],
  ['undo', press('z', { ctrlKey: true }), false, true],
  ['undo', press('Z', { ctrlKey: true, shiftKey: true }), false, false],
  ['help', press('?', { shiftKey: true }), false, true],
  ['help', press('?', { ctrlKey: true, altKey: true }), false, true],
  ['help', press('?', { ctrlKey: true }), false, false],
  ['send', press('Enter', { shiftKey: true }), false, false],
  ['send', press('Enter', { ctrlKey: true }), false, true],
  ['send', press('Enter', { isComposing: true }), false, false],
  ['send', press('Enter', {}, 229), false, false],
] as const)('%s for %o (apple: %s) is %s', (name, event, apple, expected) => {
  expect(isKey(name, event, apple)).toBe(expected);
});

it('every key has a label for both kinds of keyboards', () => {
  for (const name of Object.keys(keys) as KeyName[])
    for (const combination of keys[name].keys) expect(labelsOf(combination, true)).not.toContain('');
  expect([labelsOf('Mod+k', true), labelsOf('Mod+k', false)]).toEqual([
    ['⌘', 'K'],
    ['Ctrl', 'K'],
  ]);
});
