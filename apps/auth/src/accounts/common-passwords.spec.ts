import { codeOf } from '@parley/testing';
import { describe, expect, it } from 'vitest';
import { requireUncommon } from './common-passwords.js';

const codeFor = (password: string, ...names: string[]): Promise<string> =>
  codeOf((async () => requireUncommon('password', password, ...names))());

describe('a password', () => {
  it.each([
    ['is on the list', 'qwertyuiop'],
    ['is on the list, in other letters', 'QwertyUIOP'],
    ['is on the list, in other widths', 'ｑｗｅｒｔｙｕｉｏｐ'],
    ['is a common word with an ending', 'Password1!'],
    ['is a common word with a year and signs', '**Sunshine2024**'],
    ['is a common word with digits before it', '123456-dragon'],
    ['is a common word, spelled with digits', 'P4ssw0rd!!!'],
    ['is a common word twice', 'dragondragon'],
    ['is a common word twice with an ending', 'dragondragon99'],
    ['is a common number', '1234567890'],
    ['is a common number, repeated', '123123123123'],
    ['is a row of letters', 'abcdefghij'],
    ['is a row of digits downwards', '0987654321'],
    ['is the name of this software twice', 'parleyparley'],
    ['is the name of this software with digits', 'parley12345'],
    ['is one character', 'zzzzzzzzzzzz'],
    ['is a few characters again and again', 'x7#x7#x7#x7#'],
  ])('that %s is refused', async (_, password) => {
    expect(await codeFor(password)).toBe('invalid');
  });

  it.each([
    ['equals the username', 'wilhelmina', 'wilhelmina'],
    ['equals the username in other letters', 'WilhelMina', 'wilhelmina'],
    ['is the username with an ending', 'wilhelmina!2024', 'wilhelmina'],
    ['is the username twice', 'vilma-vilma', 'vilma'],
    ['is the username without its separators', 'annavonbergen1', 'anna.von_bergen'],
    ['is the username with other separators', 'anna von-bergen', 'anna.von_bergen'],
    ['is a username of digits', '84920175361', '84920175361'],
    ['is a username of signs', '..........', '..........'],
    ['is the username backwards', 'animlehliw', 'wilhelmina'],
    ['is the username backwards with an ending', 'animlehliw99', 'wilhelmina'],
    ['is the username with digits around it', '2024wilhelmina!1', 'wilhelmina'],
    ['is the username spelt with digits', 'w1lh3lm1n4', 'wilhelmina'],
    ['is the username spelt with digits and separators', '4nna_l33_2024', 'anna_lee'],
    ['is the username spelt with digits, with digits behind', '4nn4l332024', 'anna_lee'],
    ['is the username spelt with signs', '@nn@!33_1999', 'anna.lee'],
    ['is the username backwards, spelt with digits', '33l_4nn4!!!', 'anna_lee'],
    ['is the username doubled', 'wilhelminawilhelmina', 'wilhelmina'],
    ['is the username forwards and backwards', 'annabellebanna', 'annabel'],
    ['is the username doubled with something between', 'vilma123vilma', 'vilma'],
    ['is the username without its digits', 'annabel!!2024', 'annabel77'],
    ['is the username, which is spelt with digits', 'annabel!!2024', '4nn4b3l'],
    ['is a word of the username', 'bergen123456', 'anna.von_bergen'],
    ['is the username in other widths', 'ｗｉｌｈｅｌｍｉｎａ１', 'wilhelmina'],
  ])('that %s is refused', async (_, password, username) => {
    expect(await codeFor(password, username)).toBe('invalid');
  });

  it.each([
    ['Anna Lee 2024', 'Anna Lee'],
    ['eelanna12345', 'Anna Lee'],
    ['LeeAnna2024!', 'Anna Lee'],
    ['4nna_l33_99', 'Anna Lee'],
    ['ZDENĚK-1234567', 'Zdeněk'],
    ['zdenek12345678', 'Zdeněk 🌟'],
    ['анна12345678', 'Анна'],
    ['annaannaanna', 'Anna'],
  ])('`%s` is refused for somebody who is displayed as %s', async (password, name) => {
    expect(await codeFor(password, 'somebody', name)).toBe('invalid');
    expect(await codeFor(password, 'somebody')).toBe(password === 'annaannaanna' ? 'invalid' : 'answered');
  });

  it.each([
    ['correct horse battery', 'somebody'],
    ['the password of anna', 'somebody'],
    ['wilhelmina likes tea', 'wilhelmina'],
    ['9301 7745 82', 'somebody'],
    ['ünbekanntes wört', 'somebody'],
    ['кошка на крыше', 'somebody'],
    ['馬到成功的密碼是很長', 'somebody'],
    ['x'.repeat(9) + 'y'.repeat(9), '...'],
    ['anna likes leeks', 'anna_lee'],
    ['hannah-1234-susanna', 'anna'],
    ['49e2b7f0c1d8', 'abe'],
  ])('`%s` is accepted', async (password, username) => {
    expect(await codeFor(password, username)).toBe('answered');
  });
});
