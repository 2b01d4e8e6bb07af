import { describe } from 'vitest';
import { createMemoryStore } from './memory-store.js';
import { storeConformance } from './store.conformance.js';

describe('the presence store in memory', () => {
  storeConformance((_, options) => Promise.resolve(createMemoryStore(options)));
});
