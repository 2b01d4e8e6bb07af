// breaks: no-disabled-tests ×1, no-focused-tests ×1, no-restricted-imports ×1
import { startHistory } from '@parley/history';
import { connect } from 'amqplib';
import { expect, it } from 'vitest';

it.skip('is not run', () => expect(startHistory).toBe(connect));
it.only('is run alone', () => expect(1).toBe(1));
