// breaks: no-restricted-imports ×1
import { Redis } from 'ioredis';
import { connect } from 'amqplib';
import { startGateway } from '@parley/gateway';

export const all = [Redis, connect, startGateway];
