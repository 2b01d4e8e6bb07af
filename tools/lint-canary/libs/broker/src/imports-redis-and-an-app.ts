// breaks: no-restricted-imports ×2
import { Redis } from 'ioredis';
import { startAuth } from '@parley/auth';

export const all = [Redis, startAuth];
