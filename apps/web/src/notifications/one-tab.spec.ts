import { afterEach, expect, it } from 'vitest';
import { OneTab, type Standing } from './one-tab.ts';

const opened: OneTab[] = [];
afterEach(() => {
  for (const tab of opened.splice(0)) tab.close();
});
/** A tab in the background that may play sounds, but for what is given. */
function open(standing: Partial<Standing> = {}, userId = 'ann'): OneTab {
  const tab = new OneTab(userId, () => ({ shows: false, attended: false, canPlay: true, ...standing }));
  opened.push(tab);
  return tab;
}
const winners = async (...tabs: OneTab[]) =>
  (await Promise.all(tabs.map((tab) => tab.decide('message 1', 'garden')))).map(({ isMine }) => isMine);

it('one of several tabs tells of a message, also when it reaches some of them late', async () => {
  const [one, two, three] = [open(), open(), open()];
  const first = await winners(one, two);
  expect(first.filter(Boolean)).toHaveLength(1);
  expect(await winners(three)).toEqual([false]);
});

it('a single tab tells of each message, and not of those of another user’s tabs', async () => {
  const [ann, ben] = [open(), open({}, 'ben')];
  expect(await winners(ann, ben)).toEqual([true, true]);
  expect((await ann.decide('message 2', 'garden')).isMine).toBe(true);
});

it('no tab tells of a message when one shows its conversation, although it has not received it yet', async () => {
  open({ shows: true, attended: true });
  expect(await winners(open(), open())).toEqual([false, false]);
});

it('the tab that may play sounds tells, and knows whether the user looks at another one', async () => {
  const [silent, playing] = [open({ canPlay: false, attended: true }), open()];
  const decisions = await Promise.all([silent, playing].map((tab) => tab.decide('message 1', 'garden')));
  expect(decisions).toEqual([
    { isMine: false, attended: true },
    { isMine: true, attended: true },
  ]);
});
