// breaks: nothing
import { Redis } from 'ioredis';

export const client = Redis;
