/** The spans of one message, as received by a collector. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { eventually } from '@parley/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { cluster, embedded } from '../../deployments/modes.js';
import { TestDeployment } from '../../deployments/test-deployment.js';

const Span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  status: z.object({ code: z.number().optional() }).optional(),
});
const Exported = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({
        attributes: z.array(z.object({ key: z.string(), value: z.object({ stringValue: z.string().optional() }) })),
      }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
});
type Kept = z.infer<typeof Span> & { readonly service: string };

/** A collector for OTLP over HTTP, as JSON. */
class Collector {
  readonly spans: Kept[] = [];
  readonly problems: unknown[] = [];
  private readonly server: Server = createServer((request, response) => {
    this.take(request).then(
      () => response.setHeader('content-type', 'application/json').end('{}'),
      (error: unknown) => (this.problems.push(error), response.writeHead(400).end()),
    );
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async take(request: IncomingMessage): Promise<void> {
    if (request.url !== '/v1/traces') throw new Error(`not an address of OTLP: ${request.url}`);
    for (const { resource, scopeSpans } of Exported.parse(await json(request)).resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      this.spans.push(...scopeSpans.flatMap(({ spans }) => spans).map((span) => ({ ...span, service })));
    }
  }
}

describe.each(Object.entries({ embedded, cluster }))('OpenTelemetry, in %s mode', (mode, start) => {
  const collector = new Collector();
  let deployment: TestDeployment;
  beforeAll(async () => {
    const endpoint = await collector.start();
    deployment = await TestDeployment.open(() =>
      start({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '100' }),
    );
  });
  afterAll(async () => {
    await deployment?.close();
    collector.stop();
  });

  /** The path of a span: name and service of its ancestors and of itself. */
  const pathsOf = (traceId: string): string[] => {
    const own = collector.spans.filter((span) => span.traceId === traceId);
    const byId = new Map(own.map((span) => [span.spanId, span]));
    const path = ({ name, service, parentSpanId }: Kept): string => {
      const step = mode === 'cluster' ? `${service}: ${name}` : name;
      return parentSpanId === undefined
        ? step
        : `${byId.has(parentSpanId) ? path(byId.get(parentSpanId)!) : '?'} > ${step}`;
    };
    return own.map(path);
  };
  const spanOf = (service: string, name: string): string => (mode === 'cluster' ? `${service}: ${name}` : name);
  const requestPath = (root: string) => `${spanOf('gateway', root)} > ${spanOf('gateway', 'request message.send.v1')}`;
  const handlerPath = (root: string) => `${requestPath(root)} > ${spanOf('messages', 'handle message.send.v1')}`;

  it('records the path of a message as spans of one trace', async () => {
    const [ann, ben] = await deployment.guests(2);
    const { id: conversationId } = await deployment.group([ann, ben]);
    const { message } = await ann.send(conversationId, 'hello');
    const { traceId } = await ann.http('message.trace', { messageId: message.id });
    const root = 'socket message.send';
    const expected = [
      spanOf('gateway', root),
      requestPath(root),
      handlerPath(root),
      `${handlerPath(root)} > ${spanOf('messages', 'transaction')}`,
      `${handlerPath(root)} > ${spanOf('messages', 'push message:new')}`,
      `${handlerPath(root)} > ${spanOf('messages', 'push message:new')} > ${spanOf('gateway', 'emit message:new')}`,
      `${handlerPath(root)} > ${spanOf('messages', 'publish message.created.v1')}`,
      `${handlerPath(root)} > ${spanOf('messages', 'publish message.created.v1')} > ${spanOf('history', 'handle message.created.v1')}`,
    ];
    await eventually(() => {
      const paths = pathsOf(traceId!);
      expect(paths).toEqual(expect.arrayContaining(expected));
      expect(paths.filter((path) => path.includes('?'))).toEqual([]);
    });
    expect(collector.problems).toEqual([]);
  });

  it('continues the trace of an HTTP request below its span', async () => {
    const ann = await deployment.guest();
    const { id: conversationId } = await deployment.group([ann]);
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const headers = {
      authorization: `Bearer ${ann.session.accessToken}`,
      'content-type': 'application/json',
      traceparent: `00-${traceId}-${spanId}-01`,
    };
    const answer = await fetch(new URL(`/api/v1/conversations/${conversationId}/messages`, ann.url), {
      method: 'POST',
      headers,
      body: JSON.stringify({ clientId: 'c', body: 'hello' }),
    });
    expect([answer.status, answer.headers.get('trace-id')]).toEqual([201, traceId]);
    await eventually(() =>
      expect(pathsOf(traceId)).toEqual(
        expect.arrayContaining([
          `? > ${spanOf('gateway', 'http message.send')}`,
          `? > ${handlerPath('http message.send')}`,
        ]),
      ),
    );
    expect(collector.spans.find(({ name }) => name === 'http message.send')?.parentSpanId).toBe(spanId);
  });

  it('gives each message of a batch its own trace', async () => {
    const ann = await deployment.guest();
    const { id: conversationId } = await deployment.group([ann]);
    const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => ann.send(conversationId, `text ${n}`)));
    const traces = await Promise.all(
      sent.map(async ({ message }) => (await ann.http('message.trace', { messageId: message.id })).traceId!),
    );
    expect(new Set(traces).size).toBe(20);
    await eventually(() => {
      for (const traceId of traces) expect(pathsOf(traceId)).toContain(handlerPath('socket message.send'));
    });
  });

  it('records the code of a refusal', async () => {
    const [ann, eve] = await deployment.guests(2);
    const { id: conversationId } = await deployment.group([ann]);
    const failed = () =>
      collector.spans.filter(({ name, status }) => name === 'socket message.send' && status?.code === 2).length;
    await expect(eve.send(conversationId, 'let me in')).rejects.toMatchObject({ code: 'not_found' });
    await eventually(() => failed() === 1);
  });
});
