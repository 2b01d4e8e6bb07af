import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { problemsOf, programs, secretFiles } from '@parley/admin';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Service {
  image: string;
  environment?: Record<string, string>;
  volumes?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  depends_on?: Record<string, unknown>;
  ports?: string[];
  networks?: string[];
  network_mode?: string;
  mem_limit?: string;
  pids_limit?: number;
}
const root = join(import.meta.dirname, '../..');
const { services, volumes, networks } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), {
  merge: true,
}) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
  networks: Record<string, { internal?: boolean } | null>;
};

const secrets = secretFiles((name) => `password-of-${name}`.padEnd(32, 'x'), {
  amqp: 'amqp://rabbitmq:5672',
  database: 'postgres://postgres:5432/parley',
  redis: 'redis://redis:6379',
});
/** For each volume: the folder in which the secrets job writes its files. */
const folders = Object.fromEntries(
  services['secrets']!.volumes!.map((mount) => mount.split(':') as [string, string]).map(([volume, path]) => [
    volume,
    path.replace('/secrets/', ''),
  ]),
);

/** The environment of a container: unset variables have their defaults, secret files are read. */
function environmentOf({ environment = {}, volumes: mounts = [] }: Service): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      const text = String(value).replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1');
      if (!name.endsWith('_FILE')) return [name, text];
      const [volume] = mounts.map((mount) => mount.split(':')).find(([, place]) => text.startsWith(`${place}/`))!;
      return [name.slice(0, -'_FILE'.length), secrets[`${folders[volume!]}/${text.split('/').at(-1)}`]!];
    }),
  );
}

describe('docker-compose.yml', () => {
  const ours = Object.entries(services)
    .filter(([, { image }]) => image.startsWith('parley-'))
    .map(([name, service]) => ({ name, service }));

  it.each(ours)('gives $name a read-only root file system and no privileges', ({ service }) => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  });

  it.each(
    ours.flatMap(({ name, service }) =>
      programs
        .filter((program) => program.name === name.replace(/-2$/, ''))
        .map((program) => ({ name, service, program })),
    ),
  )('gives $name all variables that it requires and none that it does not read', ({ service, program }) => {
    expect(problemsOf(program, environmentOf(service))).toEqual([]);
    expect(Object.keys(environmentOf(service)).filter((name) => !(name in program.shape))).toEqual([]);
  });

  it.each(programs.filter(({ name }) => name in services))(
    'lets $name know every limit that it enforces',
    (program) => {
      const limits = Object.keys(program.shape).filter((name) => name.startsWith('LIMIT_'));
      expect(Object.entries(services[program.name]!.environment ?? {})).toEqual(
        expect.arrayContaining(limits.map((name) => [name, `\${${name}:-}`])),
      );
    },
  );

  it.each(Object.entries(services))('gives %s limits, and no capability that it does not need', (_, service) => {
    expect(service).toMatchObject({
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.any(String),
      pids_limit: expect.any(Number),
    });
  });

  it('names the registry of every image that it does not build', () => {
    const images = Object.values(services).map(({ image }) => image);
    const bases = readFileSync(join(root, 'Dockerfile'), 'utf8').match(/(?<=^FROM )[^ \n]*:[^ \n]*/gm)!;
    expect([...images, ...bases].filter((image) => !/^(parley-|docker\.io\/[^/]+\/)/.test(image))).toEqual([]);
  });

  it('lets clients in through the proxy only, with and without the second replicas', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined);
    // The others are for the operator, on this machine.
    expect(Object.fromEntries(published.map(([name, { ports }]) => [name, ports![0]!.split(':')[0]]))).toEqual({
      proxy: '${PUBLISH_ADDRESS',
      prometheus: '127.0.0.1',
      grafana: '127.0.0.1',
      jaeger: '127.0.0.1',
    });
    expect(environmentOf(services['gateway']!)['TRUST_PROXY']).toBe('1');
  });

  const reach = (from: string): string[] =>
    Object.entries(services)
      .filter(
        ([name, { networks: of = [] }]) => name !== from && of.some((one) => services[from]!.networks?.includes(one)),
      )
      .map(([name]) => name.replace(/-2$/, ''));

  it.each([
    { name: 'proxy', not: ['auth', 'messages', 'history', 'presence', 'postgres', 'rabbitmq', 'redis', 'minio'] },
    { name: 'gateway', not: ['postgres'] },
    { name: 'presence', not: ['postgres', 'minio'] },
    { name: 'auth', not: ['redis', 'minio'] },
    { name: 'messages', not: ['minio'] },
    { name: 'postgres', not: ['gateway', 'presence', 'proxy', 'rabbitmq', 'redis'] },
    { name: 'grafana', not: ['gateway', 'auth', 'messages', 'history', 'presence', 'postgres', 'rabbitmq', 'redis'] },
    { name: 'migrate', not: ['gateway', 'rabbitmq', 'redis'] },
    { name: 'secrets', not: Object.keys(services) },
  ])('lets $name reach only what it needs', ({ name, not }) => {
    expect(reach(name).filter((other) => not.includes(other))).toEqual([]);
  });

  it('keeps the servers with the data away from the outside', () => {
    for (const name of ['postgres', 'rabbitmq', 'redis'])
      expect(
        services[name]!.networks!.map((network) => networks[network]?.internal),
        name,
      ).toEqual([true]);
  });

  it('puts every container into networks that there are', () => {
    for (const [name, { networks: of, network_mode }] of Object.entries(services)) {
      expect(of ?? (network_mode === 'none' ? [] : undefined), name).toBeDefined();
      expect((of ?? []).filter((network) => !(network in networks))).toEqual([]);
    }
  });

  it('gives the store of files an account of its own', () => {
    const { MINIO_ROOT_USER, MINIO_ROOT_PASSWORD } = environmentOf(services['minio']!);
    const { S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = environmentOf(services['gateway']!);
    expect(new Set([MINIO_ROOT_USER, MINIO_ROOT_PASSWORD, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY]).size).toBe(4);
    expect(services['gateway']!.volumes!.filter((mount) => mount.includes('minio'))).toEqual([]);
  });

  it('contains no password', () => {
    expect(readFileSync(join(root, 'docker-compose.yml'), 'utf8')).not.toMatch(/PASSWORD: |:\/\/[^/\s]+:[^/\s]+@/);
  });

  it('gives every service its own secrets only', () => {
    for (const { name, service } of ours.filter(({ name }) => !['secrets', 'admin', 'migrate'].includes(name))) {
      const mounted = (service.volumes ?? []).filter((mount) => mount.startsWith('secrets-'));
      expect(
        mounted.filter((mount) => mount.endsWith(':/run/secrets:ro')),
        name,
      ).toEqual([`secrets-${name.replace(/-2$/, '')}:/run/secrets:ro`]);
    }
  });

  it('mounts only existing volumes and files', () => {
    const mounts = Object.values(services).flatMap((service) =>
      (service.volumes ?? []).map((mount) => mount.split(':')[0]!),
    );
    expect(
      mounts.filter((mount) => (mount.startsWith('./') ? !existsSync(join(root, mount)) : !(mount in volumes))),
    ).toEqual([]);
  });

  it('mounts every secret', () => {
    const mounted = new Set(Object.values(folders));
    const unmounted = Object.keys(secrets)
      .map((path) => path.split('/')[0]!)
      .filter((folder) => !mounted.has(folder));
    // Only Kubernetes has KEDA.
    expect(new Set(unmounted)).toEqual(new Set(['keda']));
  });
});
