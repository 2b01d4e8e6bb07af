import { globSync, readFileSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = new URL('../..', import.meta.url).pathname;
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

/** The metrics of Parley's own code and of prom-client, with the series of histograms. */
function knownMetrics(): Set<string> {
  const names = globSync('{apps,libs}/*/src/**/*.ts', {
    cwd: root,
    exclude: (path) => /\.spec\.ts$|node_modules/.test(path),
  }).flatMap((path) => [...read(path).matchAll(/name: '(parley_\w+)'/g)].map(([, name]) => name!));
  const register = new Registry();
  collectDefaultMetrics({ register });
  names.push(...register.getMetricsAsArray().map(({ name }) => name));
  return new Set(names.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
}
/** Metrics of Prometheus itself and of RabbitMQ's endpoint. */
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
/** The names of metrics in an expression: words that are no function, label or keyword. */
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

describe('an alert or panel', () => {
  const names = knownMetrics();
  it.each(expressions)('%s uses existing metrics: %s', (_, expr) => {
    const used = metricsOf(expr);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((name) => !names.has(name) && !foreign.has(name))).toEqual([]);
  });

  it('is reported when it uses an unknown metric', () => {
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
  '$alert needs a lasting condition: its duration is longer than its range, so a single event is not enough',
  ({ expr, for: time }) => {
    for (const [, range] of expr.matchAll(/\[(\d+[smh])\]/g)) expect(spanOf(range!)).toBeLessThan(spanOf(time!));
  },
);
