// breaks: no-restricted-imports ×5
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { startMessages } from '@parley/messages';
import { start } from '@parley/standalone';
import { eventually } from '@parley/testing';

export const all = [connect, Redis, startMessages, start, eventually];
