import { uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { violationsOn } from './axe.js';
import { useTestBrowser } from './hooks.js';
import { sendBy } from './test-browser.js';

const browser = useTestBrowser();

/** What each language says on the page of settings, about one member, and about the day before. */
const languages = {
  ja: { settings: '設定', direction: 'ltr', members: /^メンバー2人/, yesterday: '昨日' },
  ar: { settings: 'الإعدادات', direction: 'rtl', members: /^عضوان/, yesterday: 'أمس' },
  de: { settings: 'Einstellungen', direction: 'ltr', members: /^2 Mitglieder/, yesterday: 'Gestern' },
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
    const { settings, direction, members, yesterday } = languages[language];
    await page.getByRole('link', { name: settings, exact: true }).waitFor();
    const shown = await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
    expect(shown).toEqual([language, direction]);
    await page.locator('.conversation-head p', { hasText: members }).waitFor();
    await page.locator('.talk time', { hasText: yesterday }).first().waitFor();
  };
  const choose = async (language: string, next: keyof typeof languages) => {
    await page.locator('.rail a[href$="/settings"]').first().click();
    await page.locator('select:has(option[value=browser])').selectOption(language);
    await page.goBack();
    await check(next);
  };
  // A day later: what was sent today was sent yesterday.
  await page.clock.setFixedTime(Date.now() + 86_400_000);
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
