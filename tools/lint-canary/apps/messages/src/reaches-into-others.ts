// breaks: no-restricted-imports ×4
import { startHistory } from '@parley/history';
import { RabbitBroker } from '@parley/broker/src/rabbit/broker.js';
import { Redis } from 'ioredis';
import { connect } from 'amqplib';

export const all = [startHistory, RabbitBroker, Redis, connect];
