import { eventually, uniqueName } from '@parley/testing';
import { expect, it } from 'vitest';
import { useTestBrowser } from './hooks.js';
import { phone } from './test-browser.js';

const browser = useTestBrowser();

it('the user changes name and picture', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const ben = await browser().client(uniqueName('Ben'));
  await ann.page.getByRole('link', { name: 'Settings' }).click();
  const picture = await ann.page.screenshot({ clip: { x: 0, y: 0, width: 320, height: 200 } });
  const [chooser] = await Promise.all([
    ann.page.waitForEvent('filechooser'),
    ann.page.getByRole('button', { name: 'Change picture' }).click(),
  ]);
  await chooser.setFiles([{ name: 'me.png', mimeType: 'image/png', buffer: picture }]);
  const avatar = ann.page.locator('.rail-me img');
  await eventually(async () => (await avatar.evaluate((image) => (image as HTMLImageElement).naturalWidth)) === 256);
  const { user } = await ben.http('user.get', { userId: ann.client.user.id });
  expect((await ben.fetch('GET', `/api/v1/attachments/${user.avatarId}`)).headers.get('content-type')).toBe(
    'image/jpeg',
  );
  await ann.page.getByLabel('Name', { exact: true }).fill('Anna Archer');
  await ann.page.getByRole('button', { name: 'Save' }).click();
  await ann.page.getByRole('link', { name: 'Anna Archer, your profile' }).waitFor();
  await ann.page.reload();
  await ann.page.getByRole('link', { name: 'Anna Archer, your profile' }).waitFor();
  await avatar.waitFor();
});

it('the chosen theme stays after a reload', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  await ann.page.getByRole('link', { name: 'Settings' }).click();
  const slider = ann.page.getByRole('slider', { name: 'Theme' });
  await slider.focus();
  for (let step = 0; step < 5; step++) await ann.page.keyboard.press('ArrowRight');
  await ann.page.getByRole('radio', { name: 'Midnight', checked: true }).waitFor();
  const background = () => ann.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(await background()).toBe('rgb(12, 15, 20)');
  await ann.page.reload();
  await slider.waitFor();
  expect(await background()).toBe('rgb(12, 15, 20)');
  expect(await slider.getAttribute('aria-valuetext')).toBe('Midnight');
});

it('the theme is chosen by its swatch, or follows the system as that changes', async () => {
  const { page } = await browser().visitor(uniqueName('Ann'));
  const theme = () => page.evaluate(() => document.documentElement.dataset['theme']);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByRole('link', { name: 'Settings' }).click();
  const group = page.getByRole('radiogroup', { name: 'Theme' });
  expect(await group.getByRole('radio').count()).toBe(9);
  expect(await group.getByRole('radio', { name: 'Follow the system' }).isChecked()).toBe(true);
  expect(await theme()).toBe('daylight');
  await page.emulateMedia({ colorScheme: 'dark' });
  await eventually(async () => (await theme()) === 'midnight');
  await group.getByRole('radio', { name: 'Ember' }).check();
  expect(await theme()).toBe('ember');
  await page.reload();
  expect(await group.getByRole('radio', { name: 'Ember' }).isChecked()).toBe(true);
  expect(await theme()).toBe('ember');
  await group.getByRole('radio', { name: 'Follow the system' }).check();
  expect(await theme()).toBe('midnight');
});

it('the protocol log is in the settings', async () => {
  const { page } = await browser().visitor(uniqueName('Ann'));
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Protocol log' }).click();
  await page.getByRole('dialog', { name: 'Protocol log' }).getByText('session:ready').first().waitFor();
});

it('a device that is logged out from another one shows why', async () => {
  const ann = await browser().visitor(uniqueName('Ann'));
  const second = await browser().logIn(ann.client.user.username, phone);
  await second.page.getByRole('link', { name: 'Settings' }).click();
  await second.page.getByRole('link', { name: /Devices/ }).click();
  await second.page.getByRole('button', { name: 'Log out everywhere else' }).click();
  await ann.page.getByText('This device was logged out from another one.').waitFor();
  await ann.page.getByLabel('Username').waitFor();
  await second.page.getByText('This one').waitFor();
});
