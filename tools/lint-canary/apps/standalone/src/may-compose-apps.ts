// breaks: no-restricted-imports ×1
import { startGateway } from '@parley/gateway';
import { startHistory } from '@parley/history';
import { Redis } from 'ioredis';

export const all = [startGateway, startHistory, Redis];
