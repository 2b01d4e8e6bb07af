import { p } from '@mikro-orm/core';

/** A timestamp with milliseconds. */
export const at = () => p.datetime().columnType('timestamptz(3)');
/** Text whose values the migration checks. */
export const checkedText = <T extends string>() => p.text().$type<T>();
/** A count or position: bigint in the database, a number in code. */
export const position = () => p.bigint('number');
