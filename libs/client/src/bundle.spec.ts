import { gzipSync } from 'node:zlib';
import { calls, type CallName } from '@parley/contracts';
import { expect, it } from 'vitest';
import { bundle } from './spec/bundle.js';
import type { SocketCalls } from './types.js';

it('is under 30 kB for a page, without socket.io-client', async () => {
  expect(gzipSync(await bundle('index.ts', ['socket.io-client'])).length).toBeLessThan(30_000);
});

it('is under 2 kB for React', async () => {
  expect(gzipSync(await bundle('react.ts', ['react'])).length).toBeLessThan(2_000);
});

it('contains nothing but its own code', async () => {
  const code = await bundle('index.ts', ['socket.io-client']);
  expect(code).not.toMatch(/zod|strictObject|node:/i);
  expect([...code.matchAll(/from\s*["']([^"']+)["']/g)].map(([, name]) => name)).toEqual(['socket.io-client']);
});

it('has every call that goes over the socket', () => {
  const socketCalls: Record<keyof SocketCalls, CallName> = {
    'message:send': 'message.send',
    'message:edit': 'message.edit',
    'message:delete': 'message.delete',
    'reaction:add': 'reaction.add',
    'reaction:remove': 'reaction.remove',
    'receipt:delivered': 'receipt.delivered',
    'receipt:read': 'receipt.read',
    'conversation:open': 'conversation.open',
    'conversation:history': 'conversation.history',
    'conversation:create': 'conversation.create',
    'conversation:join': 'conversation.join',
    'conversation:leave': 'conversation.leave',
    sync: 'sync',
    typing: 'typing',
    'presence:heartbeat': 'presence.heartbeat',
    'presence:watch': 'presence.watch',
    'presence:unwatch': 'presence.unwatch',
    'drawing:draw': 'drawing.draw',
    'drawing:change': 'drawing.change',
    'drawing:remove': 'drawing.remove',
    'drawing:reset': 'drawing.reset',
    'peer:signal': 'peer.signal',
  } satisfies SocketCalls;
  const contracts = Object.entries(calls).flatMap(([name, call]) =>
    'socket' in call && call.socket !== undefined ? [[call.socket, name]] : [],
  );
  expect(Object.entries(socketCalls).sort()).toEqual(contracts.sort());
});
