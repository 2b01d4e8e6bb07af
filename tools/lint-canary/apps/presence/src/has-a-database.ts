// breaks: no-restricted-imports ×2
import { Redis } from 'ioredis';
import { connectPostgres } from '@parley/store';
import { MikroORM } from '@mikro-orm/core';

export const all = [Redis, connectPostgres, MikroORM];
