import { describe } from 'vitest';
import { limiterConformance } from './limiter.conformance.js';
import { createMemoryLimiters } from './limiter.js';

describe('limits in memory', () => {
  limiterConformance(() => Promise.resolve(createMemoryLimiters()));
});
