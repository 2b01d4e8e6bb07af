import { codeOf } from '@parley/testing';
import { describe, expect, it } from 'vitest';
import { requireUncommon } from './common-passwords.js';

const codeFor = (password: string, username = 'somebody.else'): Promise<string> =>
  codeOf((async () => requireUncommon('password', password, username))());

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
  ])('that %s is refused', async (_, password, username) => {
    expect(await codeFor(password, username)).toBe('invalid');
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
  ])('`%s` is accepted', async (password, username) => {
    expect(await codeFor(password, username)).toBe('answered');
  });
});
