import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from './circuit-breaker.js';

const fail = (breaker: CircuitBreaker, times: number) => {
  for (let n = 0; n < times; n++) breaker.failed('w');
};

describe('a circuit breaker', () => {
  it('withholds every attempt after five failures in a row', () => {
    const breaker = new CircuitBreaker(60_000);
    fail(breaker, 4);
    expect([...breaker.withheld(4)]).toEqual([]);
    breaker.failed('w');
    expect([...breaker.withheld(4)]).toEqual([['w', 4]]);
  });

  it('allows one attempt after a while, and any number after a success', () => {
    const breaker = new CircuitBreaker(0);
    fail(breaker, 5);
    expect([...breaker.withheld(4)]).toEqual([['w', 3]]);
    breaker.failed('w');
    expect([...breaker.withheld(4)]).toEqual([['w', 3]]);
    breaker.succeeded('w');
    fail(breaker, 4);
    expect([...breaker.withheld(4)]).toEqual([]);
  });
});
