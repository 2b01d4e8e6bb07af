// breaks: no-explicit-any ×1, switch-exhaustiveness-check ×1, eqeqeq ×1
export function loose(anything: any, kind: 'direct' | 'group' | 'channel'): number {
  if (anything == kind) return 0;
  switch (kind) {
    case 'direct':
      return 2;
    case 'group':
      return 5000;
  }
  return 0;
}
