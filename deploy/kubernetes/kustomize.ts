/**
 * The part of Kustomize that `k8s/` uses, so that its specs need nothing installed. A spec compares with `kubectl`
 * where it exists.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}
interface Generator {
  name: string;
  behavior?: 'create' | 'merge';
  type?: string;
  literals?: string[];
  files?: string[];
  options?: { disableNameSuffixHash?: boolean };
}
interface Kustomization {
  namespace?: string;
  resources?: string[];
  components?: string[];
  labels?: { pairs: Record<string, string> }[];
  images?: { name: string; newName?: string; newTag?: string }[];
  patches?: { path: string }[];
  configMapGenerator?: Generator[];
  secretGenerator?: Generator[];
}

const supported = [
  'apiVersion',
  'kind',
  'namespace',
  'resources',
  'components',
  'labels',
  'images',
  'patches',
  'configMapGenerator',
  'secretGenerator',
];
/** Kubernetes reads YAML 1.1, where 0440 is octal. Long values of Secrets may be broken into lines. */
const read = (text: string): KubernetesObject[] =>
  parseAllDocuments(text, { version: '1.1' }).map((document) => {
    const object = document.toJS() as KubernetesObject;
    if (object.kind === 'Secret')
      object['data'] = Object.fromEntries(
        Object.entries(object['data'] as Record<string, string>).map(([key, value]) => [
          key,
          value.replaceAll('\n', ''),
        ]),
      );
    return object;
  });
const documents = (path: string): KubernetesObject[] => read(readFileSync(path, 'utf8'));

/**
 * Renders a kustomization; with `objects`, a component that changes them. Names of generated objects have no hash.
 * Throws for an unsupported field.
 */
export function render(folder: string, objects: KubernetesObject[] = []): KubernetesObject[] {
  const file = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
  for (const key of Object.keys(file))
    if (!supported.includes(key)) throw new Error(`${folder}: ${key} is not supported here`);
  objects.push(
    ...(file.resources ?? []).flatMap((path) =>
      statSync(join(folder, path)).isDirectory() ? render(join(folder, path)) : documents(join(folder, path)),
    ),
  );
  for (const path of file.components ?? []) render(join(folder, path), objects);
  for (const generator of file.configMapGenerator ?? [])
    generate(objects, { apiVersion: 'v1', kind: 'ConfigMap', data: dataOf(folder, generator) }, generator);
  for (const generator of file.secretGenerator ?? []) {
    const data = Object.fromEntries(
      Object.entries(dataOf(folder, generator)).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    generate(objects, { apiVersion: 'v1', kind: 'Secret', type: generator.type ?? 'Opaque', data }, generator);
  }
  for (const { path } of file.patches ?? []) for (const patch of documents(join(folder, path))) apply(objects, patch);
  for (const object of objects) {
    for (const { pairs } of file.labels ?? []) object.metadata.labels = { ...object.metadata.labels, ...pairs };
    if (file.namespace !== undefined) inNamespace(object, file.namespace);
    for (const image of file.images ?? []) rename(object, image);
  }
  return objects;
}

function dataOf(folder: string, { literals = [], files = [] }: Generator): Record<string, string> {
  const cut = (text: string): [string, string] => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
  const fromFile = (entry: string): [string, string] => {
    const [key, path] = entry.includes('=') ? cut(entry) : [basename(entry), entry];
    return [key, readFileSync(join(folder, path), 'utf8')];
  };
  return Object.fromEntries([...literals.map(cut), ...files.map(fromFile)]);
}

function generate(
  objects: KubernetesObject[],
  { data, ...rest }: { apiVersion: string; kind: string; type?: string; data: Record<string, string> },
  { name, behavior }: Generator,
): void {
  const existing = objects.find((object) => object.kind === rest.kind && object.metadata.name === name);
  if ((behavior === 'merge') !== (existing !== undefined))
    throw new Error(`${rest.kind} ${name} ${existing ? 'exists already' : 'does not exist'}`);
  if (existing) existing['data'] = { ...(existing['data'] as object), ...data };
  else objects.push({ ...rest, metadata: { name }, data });
}

const clusterWide = ['Namespace'];
function inNamespace(object: KubernetesObject, namespace: string): void {
  if (clusterWide.includes(object.kind)) object.metadata.name = namespace;
  else object.metadata.namespace = namespace;
}

function rename(value: unknown, image: { name: string; newName?: string; newTag?: string }): void {
  if (typeof value !== 'object' || value === null) return;
  const holder = value as Record<string, unknown>;
  if (holder['image'] === image.name) holder['image'] = `${image.newName ?? image.name}:${image.newTag ?? 'latest'}`;
  for (const inner of Object.values(holder)) rename(inner, image);
}

function apply(objects: readonly KubernetesObject[], patch: KubernetesObject): void {
  const target = objects.find((object) => object.kind === patch.kind && object.metadata.name === patch.metadata.name);
  if (!target) throw new Error(`there is no ${patch.kind} ${patch.metadata.name} to patch`);
  Object.assign(target, merged(target as never, patch as never));
}

/** The merge key of each list. */
const keys: Readonly<Record<string, string>> = {
  containers: 'name',
  volumes: 'name',
  env: 'name',
  volumeMounts: 'mountPath',
};

/**
 * A strategic merge: null deletes, lists with a key are merged by it with patched entries first, other lists are replaced.
 */
function merged(base: Json, patch: Json, field = ''): Json {
  if (Array.isArray(patch) && Array.isArray(base) && keys[field] !== undefined)
    return mergedList(base, patch, keys[field]!);
  if (!isObject(patch)) return patch;
  const { $patch: directive, ...fields } = patch;
  const result: Record<string, Json> = isObject(base) && directive !== 'replace' ? { ...base } : {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name] ?? null, value, name);
  }
  return result;
}

function mergedList(base: readonly Json[], patch: readonly Json[], key: string): Json[] {
  const same = (one: Json, other: Json): boolean => isObject(one) && isObject(other) && one[key] === other[key];
  const changed = patch.map((entry) => merged(base.find((there) => same(there, entry)) ?? null, entry));
  return [...changed, ...base.filter((there) => !patch.some((entry) => same(entry, there)))];
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kubectl = ['/usr/bin/kubectl', '/usr/local/bin/kubectl'].find((path) => existsSync(path));

/** The output of `kubectl kustomize`, without hashes in generated names; undefined without kubectl. */
export function renderByKubectl(folder: string): KubernetesObject[] | undefined {
  if (kubectl === undefined) return undefined;
  const generated =
    /\b(gateway|auth|messages|history|presence|migrate|postgres|accounts|parley|files|keda)-[a-z0-9]{10}\b/g;
  const text = execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' }).replaceAll(generated, '$1');
  return read(text);
}
