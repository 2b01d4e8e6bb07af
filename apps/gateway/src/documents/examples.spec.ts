import { callNames, calls, serverEvents } from '@parley/contracts';
import { expect, it } from 'vitest';
import { exampleEvent, exampleInput, exampleOutput } from './examples.js';

it.each(callNames)('the examples of %s fit its schemas', (name) => {
  expect(calls[name].input.safeParse(exampleInput(name)).error).toBeUndefined();
  expect(calls[name].output.safeParse(exampleOutput(name)).error).toBeUndefined();
});

it.each(Object.entries(serverEvents))('the example of the event %s fits its schema', (_, schema) => {
  expect(schema.safeParse(exampleEvent(schema)).error).toBeUndefined();
});
