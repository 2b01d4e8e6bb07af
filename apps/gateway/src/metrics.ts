import { Inject, Injectable } from '@nestjs/common';
import { serverEvents, type CallName } from '@parley/contracts';
import { Counter, Gauge, Histogram } from 'prom-client';
import { PARTS, type GatewayParts } from './parts.js';

/** What is no call of the contracts. */
export type FileCall = 'attachment.create' | 'attachment.get' | 'upload';

/** What the gateway counts. Labels are call names and codes, never ids. */
@Injectable()
export class Metrics {
  private readonly calls: Counter<'call' | 'interface' | 'code'>;
  private readonly seconds: Histogram<'call'>;
  readonly connections: Gauge;
  readonly pushes: Counter<'kind'>;
  readonly opened: Counter;
  readonly closed: Counter<'reason'>;
  /** Seconds from a message's commit to its emission here. Clocks of different machines are compared: what is below nothing counts as nothing. */
  readonly delivery: Histogram;

  constructor(@Inject(PARTS) { health }: GatewayParts) {
    const registers = [health.metrics];
    this.calls = new Counter({
      name: 'parley_gateway_calls_total',
      help: 'Calls answered, by outcome',
      labelNames: ['call', 'interface', 'code'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'parley_gateway_call_seconds',
      help: 'From a call’s arrival to its answer',
      labelNames: ['call'],
      registers,
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 8],
    });
    this.connections = new Gauge({ name: 'parley_gateway_connections', help: 'Live sockets', registers });
    this.pushes = new Counter({
      name: 'parley_gateway_frames_total',
      help: 'Frames received for local connections',
      labelNames: ['kind'],
      registers,
    });
    this.opened = new Counter({ name: 'parley_gateway_opened_total', help: 'Sockets that came in', registers });
    this.delivery = new Histogram({
      name: 'parley_gateway_delivery_seconds',
      help: 'From the commit of a message to its emission to the recipients here',
      registers,
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
    this.closed = new Counter({
      name: 'parley_gateway_closed_total',
      help: 'Sockets that the gateway closed itself',
      labelNames: ['reason'],
      registers,
    });
    // A rate does not see what a counter began with.
    for (const reason of [...serverEvents['session:revoked'].shape.reason.options, 'slow', 'sent_elsewhere'])
      this.closed.inc({ reason }, 0);
  }

  /** Starts the clock of a call; the answer stops it with the call's code. */
  called(call: CallName | FileCall, over: 'socket' | 'http'): (code: string) => void {
    const stop = this.seconds.startTimer({ call });
    return (code) => {
      stop();
      this.calls.inc({ call, interface: over, code });
    };
  }
}
