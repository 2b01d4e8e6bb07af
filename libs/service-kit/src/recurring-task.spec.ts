import { describe, expect, it } from 'vitest';
import { createLogger } from './logging.js';
import { RecurringTask, type RecurringTaskOptions } from './recurring-task.js';
import { Unavailable } from './unavailable.js';

/** A task that runs every millisecond, and its log lines. */
function task(options: Pick<RecurringTaskOptions, 'run'> & Partial<RecurringTaskOptions>) {
  const lines: { level: string; msg: string }[] = [];
  const logger = createLogger('probe', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, task: new RecurringTask({ name: 'probe', logger, everyMs: 1, ...options }) };
}

/** Resolves once `run` was called `times` times; the test then stops the task. */
function counted(times: number, work: (run: number) => Promise<void> = async () => {}) {
  const reached = Promise.withResolvers<void>();
  let runs = 0;
  return {
    reached: reached.promise,
    run: async () => {
      runs++;
      if (runs >= times) reached.resolve();
      await work(runs);
    },
  };
}

describe('a recurring task', () => {
  it('runs again and again until it is stopped', async () => {
    const { reached, run } = counted(3);
    const recurring = task({ run, jitter: 0.5 });
    await reached;
    await recurring.task.stop();
  });

  it('never overlaps with itself', async () => {
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    let underWay = 0;
    const recurring = task({
      immediately: true,
      run: async (signal) => {
        underWay++;
        expect(signal.aborted).toBe(false);
        started.resolve();
        await end.promise;
        expect(signal.aborted).toBe(true);
        underWay--;
      },
    });
    await started.promise;
    const stopped = recurring.task.stop();
    expect(underWay).toBe(1);
    end.resolve();
    await stopped;
    expect(underWay).toBe(0);
    expect(recurring.lines).toEqual([]);
  });

  it('begins with a pause by default, or at once', async () => {
    let runs = 0;
    const run = async () => void runs++;
    await task({ everyMs: 60_000, run }).task.stop();
    expect(runs).toBe(0);
    await task({ everyMs: 60_000, run, immediately: true }).task.stop();
    expect(runs).toBe(1);
  });

  it('logs each kind of failure once until it works again', async () => {
    const { reached, run } = counted(7, async (times) => {
      if (times <= 2) throw new Unavailable('the database is unavailable');
      if (times <= 4) throw new Error('a defect');
    });
    const recurring = task({ run });
    await reached;
    await recurring.task.stop();
    expect(recurring.lines.map(({ level }) => level)).toEqual(['warn', 'error', 'info']);
  });

  it('asks for its pause after every successful run', async () => {
    const { reached, run } = counted(3, async (times) => {
      if (times === 2) throw new Unavailable('away');
    });
    let pauses = 0;
    const recurring = task({ run, everyMs: () => (++pauses === 1 ? 1 : 2), retryMs: 1 });
    await reached;
    await recurring.task.stop();
    expect(pauses).toBeGreaterThanOrEqual(3);
  });
});
