/** Evaluates the NetworkPolicies of `k8s/`: the connections that they allow. */
import type { KubernetesObject } from './kustomize.js';

export type Labels = Readonly<Record<string, string>>;
interface Selector {
  matchLabels?: Labels;
  matchExpressions?: { key: string; operator: 'In'; values: string[] }[];
}
interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string };
}
interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { protocol: string; port: number }[];
}
interface Spec {
  podSelector: Selector;
  policyTypes: ('Ingress' | 'Egress')[];
  ingress?: Rule[];
  egress?: Rule[];
}

/** A pod of this namespace, a pod of another one, or an address outside. */
export type End =
  | { readonly labels: Labels }
  | { readonly namespace: string; readonly labels: Labels }
  | { readonly outside: string };

export const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? ''));

function isPeer(peer: Peer, end: End): boolean {
  if ('outside' in end)
    return (
      peer.ipBlock !== undefined && (peer.ipBlock.cidr === '0.0.0.0/0' || peer.ipBlock.cidr.startsWith(end.outside))
    );
  if (peer.ipBlock) return false;
  const namespaceFits =
    'namespace' in end
      ? peer.namespaceSelector !== undefined &&
        selects(peer.namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace })
      : peer.namespaceSelector === undefined;
  return namespaceFits && selects(peer.podSelector ?? {}, end.labels);
}

/**
 * Whether the policies allow a connection at `end`, in one direction. Other namespaces and addresses allow everything.
 */
function allows(
  policies: readonly KubernetesObject[],
  direction: 'Ingress' | 'Egress',
  end: End,
  other: End,
  port: number,
): boolean {
  if ('outside' in end || 'namespace' in end) return true;
  const specs = policies
    .map(({ spec }) => spec as Spec)
    .filter(({ podSelector, policyTypes }) => policyTypes.includes(direction) && selects(podSelector, end.labels));
  if (specs.length === 0) return true;
  const rules = specs.flatMap((spec) => (direction === 'Ingress' ? spec.ingress : spec.egress) ?? []);
  return rules.some(
    (rule) =>
      (rule.ports ?? []).some((allowed) => allowed.port === port) &&
      ((direction === 'Ingress' ? rule.from : rule.to) ?? []).some((peer) => isPeer(peer, other)),
  );
}

/** Whether a connection is possible: the policies of both ends must allow it. */
export const passes = (policies: readonly KubernetesObject[], from: End, to: End, port: number): boolean =>
  allows(policies, 'Egress', from, to, port) && allows(policies, 'Ingress', to, from, port);
