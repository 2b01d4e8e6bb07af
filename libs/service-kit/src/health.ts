import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { listen } from './ports.js';
import { work } from './work-metrics.js';

/** Returns undefined, or the problem in words for operators. Must not wait for anything. */
export type ReadinessCheck = () => string | undefined;

/** Liveness, readiness and metrics of one process. It is ready between `open()` and `drain()`, while every check agrees. */
export class Health {
  readonly metrics = new Registry();
  private readonly checks = new Map<string, ReadinessCheck>();
  private server: Server | undefined;
  private serving = false;

  constructor(readonly service: string) {
    this.metrics.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.metrics });
  }

  check(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  /** The answer of the ready endpoint, for processes that also serve it on another port. */
  report(): { ready: boolean; problems: Record<string, string> } {
    const problems: Record<string, string> = this.serving ? {} : { service: 'starting or stopping' };
    for (const [name, check] of this.checks) {
      const problem = check();
      if (problem !== undefined) problems[name] = problem;
    }
    return { ready: Object.keys(problems).length === 0, problems };
  }

  /** Ready from now on, while the checks agree. */
  open(): void {
    this.serving = true;
  }

  /** Not ready from now on; the first step of a shutdown. */
  drain(): void {
    this.serving = false;
  }

  /** Serves the three endpoints on a port of their own. Resolves with the port; rejects with a `StartError` when it cannot be opened. */
  async listen(port: number, host: string): Promise<number> {
    const server = createServer((request, response) => {
      void this.answer(request.url ?? '').then(({ status, type, body }) => {
        response.writeHead(status, { 'content-type': type }).end(body);
      });
    });
    this.server = server;
    return listen(server, port, host, 'HEALTH_PORT');
  }

  async answer(path: string): Promise<{ status: number; type: string; body: string }> {
    if (path === '/health/live') return { status: 200, type: 'application/json', body: '{"status":"ok"}' };
    if (path === '/health/ready') {
      const { ready, problems } = this.report();
      return {
        status: ready ? 200 : 503,
        type: 'application/json',
        body: JSON.stringify({ status: ready ? 'ok' : 'unavailable', problems }),
      };
    }
    if (path === '/metrics')
      return {
        status: 200,
        type: this.metrics.contentType,
        body: `${await this.metrics.metrics()}\n${await work.registry.metrics()}`,
      };
    return { status: 404, type: 'application/json', body: '{"status":"not found"}' };
  }

  async close(): Promise<void> {
    this.serving = false;
    const server = this.server;
    if (!server) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
