import { describe, expect, it } from 'vitest';
import { createLogger } from './logging.js';
import { withTrace } from './tracing.js';

describe('log lines', () => {
  it('hide secrets and bodies', () => {
    const lines: string[] = [];
    const logger = createLogger('probe', 'info', { write: (line: string) => void lines.push(line) });
    withTrace({ traceId: 'c2' }, () =>
      logger.info({ input: { password: 'hunter2', body: 'dear diary' }, token: 'abc' }, 'a line'),
    );
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'info', service: 'probe', traceId: 'c2', msg: 'a line' });
    expect(lines[0]).not.toMatch(/hunter2|diary|abc/);
  });
});
