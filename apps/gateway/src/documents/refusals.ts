import { errorTable } from '@parley/contracts';
import { STATUS_CODES } from 'node:http';

type Json = Record<string, unknown>;

/** The content of every refusal. */
export const problemContent: Json = {
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** A defect, 500, is no refusal that an operation lists: `default` covers it. */
const statuses = [...new Set(Object.values(errorTable).map(({ status }) => status))].filter((status) => status !== 500);
const nameOf = (status: number) => `problem${status}`;

/** The responses of refusals, one for each status, by the name under which operations refer to them. */
export const refusals: Json = Object.fromEntries(
  statuses.map((status) => {
    const codes = Object.entries(errorTable).filter(([, error]) => error.status === status);
    const meanings = codes.map(([code, { title }]) => `\`${code}\`: ${title}`);
    return [nameOf(status), { description: `${STATUS_CODES[status]}. ${meanings.join('. ')}`, ...problemContent }];
  }),
);

/** What the refusals of an operation depend on. */
export interface Traits {
  /** It needs no token, and refuses none. */
  readonly isOpen?: boolean;
  /** Its input names a thing, which may be missing or invisible. */
  readonly namesThings?: boolean;
  readonly changes?: boolean;
  readonly hasBody?: boolean;
  readonly takesFile?: boolean;
}

/** The refusals that an operation may answer, by status. */
export function refusalsOf({ isOpen, namesThings, changes, hasBody, takesFile }: Traits): Json {
  const possible = [
    400,
    ...(isOpen ? [] : [401]),
    403,
    ...(namesThings ? [404] : []),
    ...(changes ? [409] : []),
    ...(hasBody ? [413] : []),
    ...(takesFile ? [415] : []),
    429,
    503,
  ];
  return {
    ...Object.fromEntries(possible.map((status) => [status, { $ref: `#/components/responses/${nameOf(status)}` }])),
    default: { $ref: '#/components/responses/problem' },
  };
}
