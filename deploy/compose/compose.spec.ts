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
}
const root = join(import.meta.dirname, '../..');
const { services, volumes } = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};

const secrets = secretFiles((name) => `password-of-${name}`, {
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
