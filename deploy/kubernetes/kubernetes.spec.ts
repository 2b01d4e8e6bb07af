import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Cluster } from '@kubernetes-models/cloudnative-pg/postgresql.cnpg.io/v1';
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { problemsOf, programs, secretsCommand } from '@parley/admin';
import { Health, isSecret } from '@parley/service-kit';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Job } from 'kubernetes-models/batch/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import {
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  Secret,
  Service,
  ServiceAccount,
  type IContainer,
  type IPodSpec,
} from 'kubernetes-models/v1';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { render, renderByKubectl, type KubernetesObject } from './kustomize.js';
import { passes, selects, type End, type Labels } from './network-policies.js';

const root = join(import.meta.dirname, '../..');
const models = {
  Deployment,
  StatefulSet,
  HorizontalPodAutoscaler,
  Job,
  Ingress,
  NetworkPolicy,
  PodDisruptionBudget,
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  Secret,
  Service,
  ServiceAccount,
  Cluster,
  ScaledObject,
  TriggerAuthentication,
};
/** The module of each model, for the compiler. */
const homes: Readonly<Record<string, string>> = {
  'apps/v1': 'kubernetes-models/apps/v1',
  'autoscaling/v2': 'kubernetes-models/autoscaling/v2',
  'batch/v1': 'kubernetes-models/batch/v1',
  'networking.k8s.io/v1': 'kubernetes-models/networking.k8s.io/v1',
  'policy/v1': 'kubernetes-models/policy/v1',
  v1: 'kubernetes-models/v1',
  'postgresql.cnpg.io/v1': '@kubernetes-models/cloudnative-pg/postgresql.cnpg.io/v1',
  'keda.sh/v1alpha1': '@kubernetes-models/keda/keda.sh/v1alpha1',
};
/** The Cluster Operator's object has no package of models. These are the fields in use, after its reference. */
const RabbitmqCluster = z.strictObject({
  apiVersion: z.literal('rabbitmq.com/v1beta1'),
  kind: z.literal('RabbitmqCluster'),
  metadata: z.object({ name: z.string() }),
  spec: z.strictObject({
    replicas: z.int(),
    image: z.string(),
    resources: z.object({}),
    persistence: z.strictObject({ storage: z.string() }),
    affinity: z.object({}),
    rabbitmq: z.strictObject({ additionalConfig: z.string() }),
    override: z.strictObject({
      statefulSet: z.strictObject({
        spec: z.strictObject({
          template: z.strictObject({
            spec: z.strictObject({ containers: z.array(z.object({})), volumes: z.array(z.object({})) }),
          }),
        }),
      }),
    }),
  }),
});

const overlays = ['dev', 'prod'] as const;
/** The pods that operators create, which are in no file: the labels behind each service name. */
const madeByOperators: Readonly<Record<(typeof overlays)[number], Readonly<Record<string, Labels>>>> = {
  dev: {},
  prod: { rabbitmq: { 'app.kubernetes.io/name': 'rabbitmq' }, 'postgres-rw': { 'cnpg.io/cluster': 'postgres' } },
};
const addresses = {
  dev: [],
  prod: ['--database', 'postgres://postgres-rw:5432/parley', '--redis', 'rediss://192.0.2.7:6379'],
};

/** Each overlay as it is, and with the component that exports traces. */
const variants = overlays.flatMap((overlay) => [
  { name: `k8s/overlays/${overlay}`, overlay, folderName: overlay as string, traced: false },
  { name: `k8s/overlays/${overlay}, traced`, overlay, folderName: `${overlay}-traced`, traced: true },
]);

const folder = mkdtempSync(join(root, '.cache-kubernetes-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rendered = new Map<string, KubernetesObject[]>();
beforeAll(async () => {
  cpSync(join(root, 'k8s'), folder, { recursive: true, filter: (path) => !path.endsWith('/secrets') });
  for (const overlay of overlays) {
    const place = join(folder, 'overlays', overlay);
    await secretsCommand.run(['--dir', join(place, 'secrets'), ...addresses[overlay]], () => undefined);
    cpSync(place, `${place}-traced`, { recursive: true });
    const file = join(`${place}-traced`, 'kustomization.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^# (?=components:)/m, ''));
  }
  for (const { folderName } of variants) rendered.set(folderName, render(join(folder, 'overlays', folderName)));
});

describe.each(variants)('$name', ({ overlay, folderName: variant, traced }) => {
  const all = () => rendered.get(variant)!;
  const of = (kind: string) => all().filter((object) => object.kind === kind);
  const named = (kind: string, name: string): KubernetesObject => {
    const found = of(kind).find(({ metadata }) => metadata.name === name);
    if (!found) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };
  const workloads = () => all().filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job'].includes(kind));
  const podOf = ({ spec }: KubernetesObject) =>
    (spec as { template: { metadata: { labels: Labels }; spec: IPodSpec } }).template;
  const containerOf = (object: KubernetesObject): IContainer => podOf(object).spec.containers[0]!;
  const ours = () => workloads().filter((object) => containerOf(object).image?.includes('parley-'));
  /** The environment of a workload's container, including its ConfigMaps; secret files are read. */
  const environment = (object: KubernetesObject): Record<string, string> => {
    const { env = [], envFrom = [], volumeMounts = [] } = containerOf(object);
    const given = Object.fromEntries([
      ...envFrom.flatMap(({ configMapRef }) =>
        Object.entries(named('ConfigMap', configMapRef!.name!)['data'] as Record<string, string>),
      ),
      ...env.map(({ name, value }) => [name, value!] as const),
    ]);
    return Object.fromEntries(
      Object.entries(given).map(([name, value]) => {
        if (!name.endsWith('_FILE')) return [name, value];
        const mount = volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`))!;
        const { secret } = podOf(object).spec.volumes!.find((volume) => volume.name === mount.name)!;
        const data = named('Secret', secret!.secretName!)['data'] as Record<string, string>;
        return [
          name.slice(0, -'_FILE'.length),
          Buffer.from(data[value.slice(mount.mountPath.length + 1)]!, 'base64').toString(),
        ];
      }),
    );
  };

  it('matches the output of kubectl', () => {
    const byName = (objects: KubernetesObject[]) =>
      Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
    const real = renderByKubectl(join(folder, 'overlays', variant));
    expect(byName(real ?? all())).toEqual(byName(all()));
  });

  it('has only valid objects', () => {
    for (const object of all()) {
      if (object.kind === 'RabbitmqCluster') RabbitmqCluster.parse(object);
      else new models[object.kind as keyof typeof models](object as never).validate();
    }
  });

  it('has no unknown field', async () => {
    const checked = all().filter(({ apiVersion }) => homes[apiVersion] !== undefined);
    expect(checked.length).toBeGreaterThan(all().length - 2);
    const lines = checked.map(
      (object, at) =>
        `export const o${at}: import('${homes[object.apiVersion]}').I${object.kind} = ${JSON.stringify(object)};`,
    );
    const place = join(import.meta.dirname, '../.kubernetes', variant);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'objects.ts'), `${lines.join('\n')}\n`);
    try {
      const options = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--module',
        'nodenext',
        '--ignoreConfig',
        join(place, 'objects.ts'),
      ];
      await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options]);
    } catch (error) {
      throw new Error((error as { stdout: string }).stdout.slice(0, 4_000), { cause: error });
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  const programOf = ({ metadata }: { readonly metadata: { readonly name: string } }) =>
    programs.find(({ name }) => name === metadata.name)!;

  it('gives every program all variables that it requires', () => {
    expect(
      ours()
        .map(({ metadata }) => metadata.name)
        .toSorted(),
    ).toEqual(['auth', 'gateway', 'history', 'messages', 'migrate', 'presence']);
    for (const object of ours())
      expect(problemsOf(programOf(object), environment(object)), object.metadata.name).toEqual([]);
  });

  it('gives no program a variable that it does not read', () => {
    for (const object of ours())
      expect(
        (containerOf(object).env ?? [])
          .map(({ name }) => name.replace(/_FILE$/, ''))
          .filter((name) => !(name in programOf(object).shape)),
        object.metadata.name,
      ).toEqual([]);
  });

  it('gives secrets to programs only as files', () => {
    for (const object of ours()) {
      const { shape } = programOf(object);
      expect(
        (containerOf(object).env ?? []).filter(
          ({ name, valueFrom }) => valueFrom !== undefined || (shape[name] && isSecret(shape[name] as z.ZodType)),
        ),
        object.metadata.name,
      ).toEqual([]);
    }
  });

  it('keeps names of secrets used by operators without a hash', () => {
    const operators = JSON.stringify(
      all().filter(({ kind }) => ['RabbitmqCluster', 'Cluster', 'TriggerAuthentication'].includes(kind)),
    );
    const { secretGenerator } = parse(
      readFileSync(join(folder, 'overlays', variant, 'kustomization.yaml'), 'utf8'),
    ) as { secretGenerator: { name: string; options?: { disableNameSuffixHash?: boolean } }[] };
    const referred = secretGenerator.filter(
      ({ name }) =>
        operators.includes(`"secretName":"${name}"`) ||
        operators.includes(`"name":"${name}","key"`) ||
        operators.includes(`ecret":{"name":"${name}"}`),
    );
    expect(referred.map(({ name }) => name)).toEqual(overlay === 'prod' ? ['accounts', 'keda', 'postgres-owner'] : []);
    expect(referred.filter(({ options }) => options?.disableNameSuffixHash !== true)).toEqual([]);
  });

  it('gives every service a Secret of its own', () => {
    const secrets = ours().flatMap((object) =>
      (podOf(object).spec.volumes ?? []).flatMap(({ secret }) => (secret ? [secret.secretName] : [])),
    );
    expect(new Set(secrets).size).toBe(secrets.length);
  });

  it('allows a program to reach exactly the servers that it uses', () => {
    const servers = { AMQP_URL: 5672, DATABASE_URL: 5432, REDIS_URL: 6379 } as const;
    const places = new Map<string, End>();
    const placeOf = (host: string): End => {
      const made = madeByOperators[overlay][host];
      if (made) return { labels: made };
      if (/^[\d.]+$/.test(host)) return { outside: host.split('.').slice(0, 3).join('.') };
      return { labels: (named('Service', host)['spec'] as { selector: Labels }).selector };
    };
    for (const object of ours()) {
      for (const name of Object.keys(servers) as (keyof typeof servers)[]) {
        const url = environment(object)[name];
        if (url !== undefined) places.set(name, placeOf(new URL(url).hostname));
      }
    }
    for (const object of ours()) {
      const from = { labels: podOf(object).metadata.labels };
      for (const [name, port] of Object.entries(servers)) {
        const uses = environment(object)[name] !== undefined;
        const to = places.get(name)!;
        // Outside the cluster the bucket and Redis are on different ports.
        expect(passes(of('NetworkPolicy'), from, to, port), `${object.metadata.name} → ${name}`).toBe(uses);
      }
      expect(
        passes(of('NetworkPolicy'), from, { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }, 53),
      ).toBe(true);
    }
  });

  const podNamed = (name: string): End => ({ labels: podOf(named('Deployment', name)).metadata.labels });
  const serviceNames = () => of('Deployment').map(({ metadata }) => metadata.name);

  it('allows the ingress controller to reach only the gateway', () => {
    const controller: End = { namespace: 'ingress', labels: {} };
    for (const name of serviceNames()) {
      expect(passes(of('NetworkPolicy'), controller, podNamed(name), 3000), name).toBe(name === 'gateway');
      expect(passes(of('NetworkPolicy'), controller, podNamed(name), 9090), name).toBe(false);
    }
  });

  it('allows only Prometheus to reach metrics', () => {
    for (const name of serviceNames())
      for (const namespace of ['monitoring', 'elsewhere'])
        expect(passes(of('NetworkPolicy'), { namespace, labels: {} }, podNamed(name), 9090), name).toBe(
          namespace === 'monitoring',
        );
  });

  it('allows only services with webhooks or a bucket to reach the internet', () => {
    for (const name of serviceNames())
      expect(passes(of('NetworkPolicy'), podNamed(name), { outside: '93.184.216' }, 443), name).toBe(
        name === 'messages' || (name === 'gateway' && overlay === 'prod'),
      );
  });

  it('allows no service to reach another one', () => {
    for (const name of serviceNames())
      for (const other of serviceNames())
        for (const port of [3000, 9090])
          expect(passes(of('NetworkPolicy'), podNamed(name), podNamed(other), port), `${name} → ${other}`).toBe(false);
  });

  it('allows services to reach the collector only when they export traces', () => {
    const policies = of('NetworkPolicy');
    for (const object of ours()) {
      const from: End = { labels: podOf(object).metadata.labels };
      const exporter = object.kind === 'Deployment' && traced;
      const endpoint = environment(object)['OTEL_EXPORTER_OTLP_ENDPOINT'];
      expect(endpoint !== undefined, object.metadata.name).toBe(exporter);
      const { hostname, port } = new URL(endpoint ?? 'http://otel-collector.monitoring:4318');
      const collector: End = { namespace: hostname.split('.')[1]!, labels: {} };
      expect(passes(policies, from, collector, Number(port)), object.metadata.name).toBe(exporter);
      expect(passes(policies, from, collector, 9090), object.metadata.name).toBe(false);
      expect(passes(policies, from, { namespace: 'elsewhere', labels: {} }, Number(port)), object.metadata.name).toBe(
        false,
      );
      expect(passes(policies, from, { outside: '93.184.216' }, Number(port)), object.metadata.name).toBe(false);
    }
  });

  it('restricts all pods', () => {
    expect(named('Namespace', 'parley').metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
    for (const object of workloads()) {
      const { spec } = podOf(object);
      expect(spec, object.metadata.name).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) expect(spec[field]).toBeUndefined();
      expect(
        (spec.volumes ?? []).filter((volume) =>
          Object.keys(volume).some((kind) => !['name', 'secret', 'emptyDir', 'persistentVolumeClaim'].includes(kind)),
        ),
      ).toEqual([]);
      expect(spec.containers).toHaveLength(1);
      const { securityContext, resources } = containerOf(object);
      expect(securityContext, object.metadata.name).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        ...(object.metadata.name !== 'rabbitmq' && { readOnlyRootFilesystem: true }),
      });
      expect(resources?.requests?.['memory']).toBeTruthy();
      expect(resources?.limits?.['memory']).toBeTruthy();
    }
    for (const object of ours()) {
      expect(podOf(object).spec.serviceAccountName).toBe(object.metadata.name);
      expect(named('ServiceAccount', object.metadata.name)['automountServiceAccountToken']).toBe(false);
    }
  });

  it('probes ports and paths that exist', async () => {
    const health = new Health('probe');
    for (const object of of('Deployment')) {
      const { ports = [], startupProbe, livenessProbe, readinessProbe } = containerOf(object);
      for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
        expect(ports.find(({ name }) => name === probe?.httpGet?.port)?.containerPort).toBe(9090);
        expect((await health.answer(probe!.httpGet!.path!)).status).not.toBe(404);
      }
    }
  });

  it('gives every service enough time to stop', () => {
    for (const object of of('Deployment')) {
      const { terminationGracePeriodSeconds } = podOf(object).spec;
      // `run` ends a process 25 s after the signal, however far it is.
      expect(terminationGracePeriodSeconds).toBe(60);
      expect((containerOf(object).lifecycle?.preStop?.sleep?.seconds ?? 0) + 25).toBeLessThan(60);
    }
  });

  it('replaces every service without a gap', () => {
    for (const object of of('Deployment')) {
      const { strategy } = object['spec'] as { strategy: unknown };
      const alone = overlay === 'dev' && object.metadata.name === 'gateway';
      expect(strategy).toEqual(alone ? { type: 'Recreate' } : { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
      expect(podOf(object).spec.topologySpreadConstraints).toHaveLength(2);
    }
    expect(containerOf(named('Deployment', 'gateway')).lifecycle?.preStop?.sleep?.seconds).toBe(5);
  });

  it('has only selectors that match their pods', () => {
    for (const object of of('Deployment')) {
      const { labels } = podOf(object).metadata;
      for (const selector of [
        (object['spec'] as { selector: object }).selector,
        (named('PodDisruptionBudget', object.metadata.name)['spec'] as { selector: object }).selector,
        ...podOf(object).spec.topologySpreadConstraints!.map((one) => one.labelSelector!),
      ]) {
        expect(selects(selector as never, labels)).toBe(true);
      }
    }
    const ingress = named('Ingress', 'gateway')['spec'] as {
      rules: { http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } }[];
    };
    const { name, port } = ingress.rules[0]!.http.paths[0]!.backend.service;
    const service = named('Service', name)['spec'] as {
      selector: Labels;
      ports: { name: string; targetPort: string }[];
    };
    expect(selects({ matchLabels: service.selector }, podOf(named('Deployment', 'gateway')).metadata.labels)).toBe(
      true,
    );
    const target = service.ports.find((one) => one.name === port.name)!.targetPort;
    expect(containerOf(named('Deployment', 'gateway')).ports).toContainEqual({ name: target, containerPort: 3000 });
  });

  it('can hold the services back until the database is migrated', () => {
    const held = all()
      .filter(({ metadata }) => metadata.labels?.['parley/rollout'] === 'services')
      .map(({ kind }) => kind);
    expect(new Set(held)).toEqual(new Set(['Deployment', 'PodDisruptionBudget', 'Service']));
    expect(named('Job', 'migrate').metadata.labels).not.toHaveProperty('parley/rollout');
  });
});
