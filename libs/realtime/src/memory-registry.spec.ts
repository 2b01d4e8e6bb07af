import { describe } from 'vitest';
import { createMemoryRegistry } from './memory-registry.js';
import { registryConformance } from './registry.conformance.js';

describe('the registry in memory', () => {
  registryConformance((options) => Promise.resolve(createMemoryRegistry(options)));
});
