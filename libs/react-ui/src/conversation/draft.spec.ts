import { expect, it } from 'vitest';
import { emptyDraft, reconciled, type Draft } from './draft.ts';

const draft = (text: string, writtenAt = 0): Draft => ({ ...emptyDraft, text, writtenAt });
/** What remains when this tab knew `before`, changes it to `text`, and another tab has stored `stored`. */
const textAfter = (before: Draft, text: string, stored: Draft) => reconciled({ ...before, text }, before, stored).text;

it('text that another tab wrote since takes the place of text that this tab did not change', () => {
  const next = reconciled({ ...draft('Old', 5), reply: undefined }, draft('Old', 5), draft('Newer', 9));
  expect(next).toMatchObject({ text: 'Newer', writtenAt: 9 });
  expect(textAfter(draft('Mine', 9), 'Mine', draft('Old', 5))).toBe('Mine');
});

it('text that both tabs changed is kept, of both', () => {
  const next = reconciled(draft('Mine', 5), draft('Old', 5), draft('Theirs', 9));
  expect(next).toMatchObject({ text: 'Mine\nTheirs', notice: 'What you wrote in another tab was added.' });
  expect(next.writtenAt).toBeGreaterThan(9);
  // Sent here, while another tab has more.
  expect(textAfter(draft('Old', 5), '', draft('Old and new', 9))).toBe('Old and new');
  expect(textAfter(draft('Old', 5), 'Old and new', draft('Old', 9))).toBe('Old and new');
});

it('text that this tab has seen is replaced', () => {
  expect(textAfter(draft('Theirs', 9), 'Mine', draft('Theirs', 9))).toBe('Mine');
  expect(reconciled(draft('First'), emptyDraft, undefined).writtenAt).toBeGreaterThan(0);
});
