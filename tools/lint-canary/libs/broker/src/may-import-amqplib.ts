// breaks: nothing
import { connect } from 'amqplib';

export const open = connect;
