// breaks: no-restricted-imports ×1
import { connect } from 'amqplib';

export const open = connect;
