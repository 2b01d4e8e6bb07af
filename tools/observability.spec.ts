import { globSync, readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = new URL('..', import.meta.url).pathname;
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

/** What Parley's own code and prom-client name, with the series that a histogram has. */
function known(): Set<string> {
  const names = globSync('{apps,libs}/*/src/**/*.ts', {
    cwd: root,
    exclude: (path) => /\.spec\.ts$|node_modules/.test(path),
  }).flatMap((path) => [...read(path).matchAll(/name: '(parley_\w+)'/g)].map(([, name]) => name!));
  const register = new Registry();
  collectDefaultMetrics({ register });
  names.push(...register.getMetricsAsArray().map(({ name }) => name));
  return new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
}
/** Of others: Prometheus itself, and RabbitMQ's own endpoint. */
const foreign = new Set(['up', 'rabbitmq_queue_messages_ready', 'rabbitmq_queue_messages_unacked']);

const rules = (
  parse(read('deploy/observability/alerts.yml')) as {
    groups: {
      rules: { alert: string; expr: string; for?: string; annotations: { summary: string; runbook: string } }[];
    }[];
  }
).groups.flatMap((group) => group.rules);
const panels = (
  JSON.parse(read('deploy/observability/grafana/dashboards/parley.json')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  }
).panels;
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr]),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr])),
] as [string, string][];
/** Names of metrics: what stands before a brace or a range, or by itself, and is no function, label or keyword. */
const metricsOf = (expr: string): string[] =>
  [
    ...expr
      .replaceAll(/"[^"]*"/g, '')
      .replaceAll(/\b(?:by|without)\s*\([^)]*\)/g, '')
      .replaceAll(/\{[^}]*\}/g, '')
      .matchAll(/\b([a-z][a-z0-9_]*)\b(?!\s*\()/gi),
  ]
    .map(([, name]) => name!)
    .filter((name) => !/^\d|^(?:by|on|and|or|unless|offset|s|m)$/.test(name));

describe('what is looked at', () => {
  const names = known();
  it.each(expressions)('%s asks for metrics that exist: %s', (_, expr) => {
    const asked = metricsOf(expr);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((name) => !names.has(name) && !foreign.has(name))).toEqual([]);
  });

  it('is found out when it does not', () => {
    expect(metricsOf('sum by (le) (rate(parley_nothing_bucket{a="b"}[5m])) / up > 0.1')).toEqual([
      'parley_nothing_bucket',
      'up',
    ]);
    expect(names.has('parley_nothing_bucket')).toBe(false);
  });
});

it.each(rules)('$alert has a section in the runbook', ({ alert, annotations }) => {
  expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  expect(read('docs/runbook.md')).toContain(`\n## ${alert}\n`);
});

/** In seconds. */
const spanOf = (text: string): number =>
  Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600 }[text.at(-1) as 's' | 'm' | 'h'];

it.each(rules.filter(({ for: time, expr }) => time !== undefined && /\[\d+[smh]\]/.test(expr)))(
  '$alert tells of what goes on: its time is longer than its range, so nothing that happened once is enough',
  ({ expr, for: time }) => {
    for (const [, range] of expr.matchAll(/\[(\d+[smh])\]/g)) expect(spanOf(range!)).toBeLessThan(spanOf(time!));
  },
);
