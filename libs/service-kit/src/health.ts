import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { listen } from './ports.js';
import { work } from './work-metrics.js';

/** Returns undefined, or the problem in words for operators. Must not wait for anything. */
export type HealthCheck = () => string | undefined;

/** Liveness, readiness and metrics of one process. It is ready between `open()` and `drain()`, while every check agrees. */
export class Health {
  readonly metrics = new Registry();
  private readonly checks = new Map<string, HealthCheck>();
  private readonly lifelines = new Map<string, HealthCheck>();
  private server: Server | undefined;
  private serving = false;

  constructor(readonly service: string) {
    this.metrics.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.metrics });
  }

  check(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  /**
   * Adds a check of liveness. Its problem must be one that only a new process solves: a supervisor restarts a process
   * that is not live.
   */
  liveWhile(name: string, check: HealthCheck): void {
    this.lifelines.set(name, check);
  }

  /** The answer of the ready endpoint, for processes that also serve it on another port. */
  report(): { ready: boolean; problems: Record<string, string> } {
    const problems = { ...(!this.serving && { service: 'starting or stopping' }), ...problemsOf(this.checks) };
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

  /**
   * Serves the three endpoints on a port of their own. Resolves with the port; rejects with a `StartError` when it
   * cannot be opened.
   */
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
    if (path === '/health/live') {
      const problems = problemsOf(this.lifelines);
      return Object.keys(problems).length === 0
        ? { status: 200, type: 'application/json', body: '{"status":"ok"}' }
        : { status: 503, type: 'application/json', body: JSON.stringify({ status: 'restart needed', problems }) };
    }
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

function problemsOf(checks: ReadonlyMap<string, HealthCheck>): Record<string, string> {
  const problems: Record<string, string> = {};
  for (const [name, check] of checks) {
    const problem = check();
    if (problem !== undefined) problems[name] = problem;
  }
  return problems;
}
