import { describe, expect, it } from 'vitest';
import { costsOf, machineOf, paceOf, type Costs, type Measured } from './costs.js';
import { simulate } from './simulate.js';

/** The results of a run on a machine with these costs. */
function run(cores: number, costs: Costs): Measured {
  const phases = [
    'saturated, 1 outstanding a sender',
    'saturated, 5 outstanding a sender',
    'saturated, 20 outstanding a sender',
    '200/s',
    '1000/s',
  ].map((name) => {
    const { perSecond, ackP50Ms, cpuUs } = simulate(machineOf('cluster', cores, costs), paceOf(name)!);
    return {
      name,
      perSecond,
      ackP50Ms,
      shares: Object.fromEntries(Object.entries(cpuUs).map(([program, us]) => [program, (us * perSecond) / 1e6])),
    };
  });
  return { cores, phases };
}

describe('the model', () => {
  it('fits costs that predict phases it was not fitted to', () => {
    const truth: Costs = {
      'load generator': { fixedUs: 100, senderUs: 30, eachUs: 20 },
      gateway: { fixedUs: 500, senderUs: 90, eachUs: 80 },
      redis: { fixedUs: 100, senderUs: 10, eachUs: 10 },
      rabbitmq: { fixedUs: 900, senderUs: 40, eachUs: 15 },
      messages: { fixedUs: 800, senderUs: 60, eachUs: 50 },
      postgres: { fixedUs: 500, senderUs: 40, eachUs: 40 },
      history: { fixedUs: 300, senderUs: 10, eachUs: 20 },
    };
    const measured = run(2, truth);
    const machine = machineOf('cluster', 2, costsOf(measured, 'cluster'));
    for (const name of ['saturated, 20 outstanding a sender', '1000/s']) {
      const ratio =
        simulate(machine, paceOf(name)!).perSecond / measured.phases.find((phase) => phase.name === name)!.perSecond;
      expect([name, ratio > 0.85 && ratio < 1.15]).toEqual([name, true]);
    }
    for (const [program, cost] of Object.entries(costsOf(measured, 'cluster')))
      expect([program, Math.abs(1 - cost.fixedUs / truth[program]!.fixedUs) < 0.15]).toEqual([program, true]);
  });

  it('makes a message in a batch cheaper than a single one, and is never faster than its cores', () => {
    const costs: Costs = { gateway: { fixedUs: 1000, senderUs: 0, eachUs: 100 } };
    const [alone, many] = [
      { senders: 1, outstanding: 1 },
      { senders: 200, outstanding: 20 },
    ].map((pace) => simulate(machineOf('cluster', 2, costs), pace));
    expect(alone!.cpuUs['gateway']!).toBeGreaterThan(1000);
    expect(many!.cpuUs['gateway']!).toBeLessThan(150);
    expect(many!.perSecond * many!.cpuUs['gateway']!).toBeLessThanOrEqual(1_010_000);
  });

  it('demands all phases that it needs', () => {
    expect(() => costsOf({ cores: 2, phases: [] }, 'cluster')).toThrow('the run lacks one of the phases');
  });
});
