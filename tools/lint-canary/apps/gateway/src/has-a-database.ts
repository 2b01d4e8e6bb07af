// breaks: no-restricted-imports ×4
import { connectPostgres } from '@parley/store';
import { Client } from 'pg';
import { Redis } from 'ioredis';
import { connect } from 'amqplib';

export const all = [connectPostgres, Client, Redis, connect];
