import { Injectable } from '@nestjs/common';
import { serverEvents, type CallName } from '@parley/contracts';
import { Health } from '@parley/service-kit';
import { Counter, Gauge, Histogram } from 'prom-client';

/** Requests for files, which are not calls of the contracts. */
export type FileCall = 'attachment.create' | 'attachment.get' | 'upload';

/** The gateway's metrics. Labels are call names and codes, never ids. */
@Injectable()
export class Metrics {
  private readonly calls: Counter<'call' | 'interface' | 'code'>;
  private readonly seconds: Histogram<'call'>;
  readonly connections: Gauge;
  readonly pushes: Counter<'kind'>;
  readonly opened: Counter;
  readonly closed: Counter<'reason'>;
  /**
   * Seconds from a message's commit to its emission here. The clocks of two machines are compared, so a negative time
   * counts as zero.
   */
  readonly delivery: Histogram;

  constructor(health: Health) {
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
      help: 'Sockets that the gateway closed itself; `sent_elsewhere`: so that the client reconnects, when the gateway stops or may have missed pushes',
      labelNames: ['reason'],
      registers,
    });
    // A counter that first appears with its first increment shows no rate for it.
    for (const reason of [...serverEvents['session:revoked'].shape.reason.options, 'slow', 'sent_elsewhere'])
      this.closed.inc({ reason }, 0);
  }

  /** Starts the clock of a call. The result stops it with the call's code. */
  startCall(call: CallName | FileCall, over: 'socket' | 'http'): (code: string) => void {
    const stop = this.seconds.startTimer({ call });
    return (code) => {
      stop();
      this.calls.inc({ call, interface: over, code });
    };
  }
}
