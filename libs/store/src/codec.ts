import pg from 'pg';

const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
const element = (value: unknown): string => {
  if (Array.isArray(value)) return arrayLiteral(value);
  const text = encode(value);
  return text === null ? 'NULL' : quoted(text);
};
const arrayLiteral = (values: readonly unknown[]): string => `{${values.map(element).join(',')}}`;

/** A parameter in Postgres' text format, the same on both engines. */
export function encode(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return arrayLiteral(value);
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value as number | bigint | boolean);
}

type Parse = (text: string) => unknown;
const builtIn = (oid: number): Parse => pg.types.getTypeParser(oid, 'text') as Parse;
const INT8 = 20;
const INT8_ARRAY = 1016;
const TEXT_ARRAY = 1009;
const textArray = builtIn(TEXT_ARRAY) as (text: string) => (string | null)[];
const own = new Map<number, Parse>([
  [INT8, Number],
  [INT8_ARRAY, (text) => textArray(text).map((item) => (item === null ? null : Number(item)))],
]);

/** The parser of columns of type `oid`. Unknown types stay text. */
export const parserOf = (oid: number): Parse => own.get(oid) ?? builtIn(oid);
