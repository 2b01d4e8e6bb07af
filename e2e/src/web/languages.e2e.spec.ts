import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { sendBy } from './test-browser.js';

const browser = useTestBrowser();

/** The link to the settings, two members, the present day, and a date in each language. */
const languages = {
  ja: { settings: '設定', direction: 'ltr', members: /^メンバー2人/, today: '今日', date: /^\d{4}\/\d{2}\/\d{2}/ },
  ar: {
    settings: 'الإعدادات',
    direction: 'rtl',
    members: /^عضوان/,
    today: 'اليوم',
    date: /^\d{1,2}\u200F?\/\d{1,2}\u200F?\/\d{4}/,
  },
  de: {
    settings: 'Einstellungen',
    direction: 'ltr',
    members: /^2 Mitglieder/,
    today: 'Heute',
    date: /^\d{2}\.\d{2}\.\d{4}/,
  },
} as const;

it('the language is that of the browser, or the chosen one at once and after a reload, with its plurals and dates', async () => {
  const ann = await browser().visitor(uniqueName('Ann'), undefined, {}, 'ja-JP');
  const { page, client } = ann;
  const ben = await browser().client(uniqueName('Ben'));
  const { conversation } = await ben.call('conversation.create', {
    kind: 'group',
    title: uniqueName('Club'),
    memberIds: [client.user.id],
  });
  await sendBy(ben, conversation.id, 'An early word');
  const check = async (language: keyof typeof languages) => {
    const { settings, direction, members, today, date } = languages[language];
    await page.getByRole('link', { name: settings, exact: true }).waitFor();
    const shown = await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
    expect(shown).toEqual([language, direction]);
    await page.locator('.conversation-head p', { hasText: members }).waitFor();
    await page.locator('.day-line', { hasText: today }).first().waitFor();
    expect(await page.locator('.message time').first().getAttribute('title')).toMatch(date);
  };
  const choose = async (language: string, next: keyof typeof languages) => {
    await page.locator('.rail a[href$="/settings"]').first().click();
    await page.locator('select:has(option[value=browser])').selectOption(language);
    await page.goBack();
    await check(next);
  };
  await page.goto(`${browser().url}/c/${conversation.id}`);
  await check('ja');
  await choose('ar', 'ar');
  const found = await violationsOn(page, 'conversation in Arabic');
  await page.reload();
  await check('ar');
  await page.goto(`${browser().url}/settings`);
  await page.locator('.main h1').waitFor();
  found.push(...(await violationsOn(page, 'settings in Arabic')));
  await page.goto(`${browser().url}/c/${conversation.id}`);
  await choose('de', 'de');
  found.push(...(await violationsOn(page, 'conversation in German')));
  await page.locator('.rail a[href$="/settings"]').first().click();
  found.push(...(await violationsOn(page, 'settings in German')));
  expect(found).toEqual([]);
});
