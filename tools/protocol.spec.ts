import { readFileSync } from 'node:fs';
import { calls, errorTable, limits, serverEvents, type Call } from '@parley/contracts';
import { describe, expect, it } from 'vitest';

const text = readFileSync(new URL('../docs/protocol.md', import.meta.url), 'utf8');
const section = (heading: string): string => {
  const [, after = ''] = text.split(`\n${heading}\n`);
  return after.split(/\n#{2,3} /)[0]!;
};
/** The code spans of the first column of a section's tables. */
const firstColumn = (heading: string): string[] =>
  section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) =>
      [
        ...line
          .replaceAll('\\|', '/')
          .split('|')[1]!
          .matchAll(/`([^`]+)`/g),
      ].map(([, code]) => code!),
    );

const listed: readonly Call[] = Object.values(calls as Record<string, Call>);
const anyId = (path: string): string => path.replaceAll(/:(?!emoji)\w+/g, ':id');

describe('docs/protocol.md', () => {
  it('lists every HTTP route of the contracts', () => {
    const documented = firstColumn('## 2. HTTP').flatMap((code) => {
      const [, methods = '', path = ''] = /^([A-Z]+(?: · [A-Z]+)*) ([^?]+)/.exec(code) ?? [];
      return methods.split(' · ').map((method) => `${method} ${anyId(path)}`);
    });
    const routes = listed.flatMap(({ http }) => (http ? [`${http.method} ${anyId(http.path)}`] : []));
    expect(documented).toEqual(expect.arrayContaining(routes));
    expect(routes.length).toBeGreaterThan(50);
  });

  it('lists every socket call of the contracts and no other', () => {
    expect(firstColumn('### 3.2 Client to server').toSorted()).toEqual(
      listed.flatMap(({ socket }) => socket ?? []).toSorted(),
    );
  });

  it('lists every event of the contracts and no other', () => {
    expect([...firstColumn('### 3.3 Server to client'), 'session:ready'].toSorted()).toEqual(
      Object.keys(serverEvents).toSorted(),
    );
  });

  it('lists exactly the error codes with their status', () => {
    const rows = section('### Errors')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => {
        const [, codes = '', status] = line.split('|');
        return [...codes.matchAll(/`([^`]+)`/g)].map(([, code]) => [code, Number(status)]);
      });
    expect(Object.fromEntries(rows)).toEqual(
      Object.fromEntries(Object.entries(errorTable).map(([code, { status }]) => [code, status])),
    );
  });

  it('names every limit', () => {
    for (const name of Object.keys(limits)) expect(section('## 4. Limits')).toContain(`\`${name}\``);
  });
});
