import type { Message } from '@parley/contracts';
import type { Who } from '../strings/en.ts';
import type { Strings } from '../strings/strings.tsx';

/** A system message as a sentence. An unknown kind is shown by its name. */
export function systemText({ system }: Strings, note: Message['system'], by: Who, whom: Who): string {
  const { kind = '', value = '' } = note ?? {};
  switch (kind) {
    case 'created':
    case 'joined':
    case 'left':
      return system[kind](by);
    case 'added':
    case 'removed':
    case 'banned':
    case 'creator':
      return system[kind](by, whom);
    case 'renamed':
      return value === '' ? system.titleRemoved(by) : system.renamed(by, value);
    default:
      return system.unknown(by, kind, value);
  }
}
