import { loadConfig } from '@parley/service-kit';
import { expect, it } from 'vitest';
import { gatewayConfig } from './config.js';

const iceServersOf = (value: unknown) =>
  loadConfig(gatewayConfig, { ICE_SERVERS: typeof value === 'string' ? value : JSON.stringify(value) }).ICE_SERVERS;

it('servers for direct connections are a JSON list of STUN and TURN servers', () => {
  expect(loadConfig(gatewayConfig, {}).ICE_SERVERS).toEqual([]);
  const turn = { urls: ['turns:turn.chat.test:5349?transport=tcp'], username: 'ann', credential: 'secret' };
  expect(iceServersOf([{ urls: 'stun:stun.chat.test' }, turn])).toEqual([{ urls: ['stun:stun.chat.test'] }, turn]);
});

it.each([
  ['no JSON', 'stun:stun.chat.test'],
  ['no list', { urls: 'stun:stun.chat.test' }],
  ['another scheme', [{ urls: 'https://turn.chat.test' }]],
  ['a TURN server without credential', [{ urls: 'turn:turn.chat.test', username: 'ann' }]],
  ['an unknown field', [{ urls: 'stun:stun.chat.test', password: 'secret' }]],
  ['too many', Array.from({ length: 9 }, () => ({ urls: 'stun:stun.chat.test' }))],
])('servers for direct connections with %s are refused', (_, value) => {
  expect(() => iceServersOf(value)).toThrow(/ICE_SERVERS/);
});
