import { describe, expect, it } from 'vitest';
import { count } from './count.mjs';

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

describe('the last line of npm test', () => {
  it('counts passed and failed tests', () => {
    expect(
      count(
        {
          numPassedTests: 3,
          numFailedTests: 1,
          testResults: [file('passed', 'passed', 'passed'), file('failed', 'passed', 'failed')],
        },
        1,
      ),
    ).toEqual({ passed: 3, failed: 1 });
  });

  it('counts a spec file that could not be loaded as failed', () => {
    expect(
      count({ numPassedTests: 1, numFailedTests: 0, testResults: [file('passed', 'passed'), file('failed')] }, 1),
    ).toEqual({ passed: 1, failed: 1 });
  });

  it('fails a run in which every test passed but vitest failed, as with an unhandled rejection', () => {
    expect(count({ numPassedTests: 1, numFailedTests: 0, testResults: [file('passed', 'passed')] }, 1)).toEqual({
      passed: 1,
      failed: 1,
    });
  });

  it('fails a run that ran no test, or left no report', () => {
    expect(count({ numPassedTests: 0, numFailedTests: 0, testResults: [] }, 0)).toEqual({ passed: 0, failed: 1 });
    expect(count(undefined, 0)).toEqual({ passed: 0, failed: 1 });
  });
});
