import { describe } from 'vitest';
import { registryConformance } from './registry.conformance.js';
import { createMemoryRegistry } from './registry.js';

describe('the registry in memory', () => {
  registryConformance((options) => Promise.resolve(createMemoryRegistry(options)));
});
