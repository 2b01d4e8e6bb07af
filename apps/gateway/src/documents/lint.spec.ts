import { Parser } from '@asyncapi/parser';
import { limits } from '@parley/contracts';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { expect, it } from 'vitest';
import { asyncapi } from './asyncapi.js';
import { openapi } from './openapi.js';

it.each(['', '/chat'])('the OpenAPI document under "%s" breaks no recommended rule of Redocly', async (basePath) => {
  const problems = await lintFromString({
    source: JSON.stringify(openapi(limits, basePath)),
    absoluteRef: '/openapi.json',
    config: await createConfig({ extends: ['recommended'] }),
  });
  expect(problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`)).toEqual([]);
});

// The parser takes most of this time.
it('the AsyncAPI document gives the parser no diagnostics', { timeout: 120_000 }, async () => {
  const address = { host: 'chat.example.org', basePath: '/chat' };
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncapi(limits, address)));
  expect(diagnostics.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`)).toEqual([]);
  expect(document?.channels().all()).toHaveLength(1);
});
