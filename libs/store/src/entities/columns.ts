import { p } from '@mikro-orm/core';

/** A point in time, to the millisecond. */
export const at = () => p.datetime().columnType('timestamptz(3)');
/** Text of which the migration checks the values. */
export const checkedText = <T extends string>() => p.text().$type<T>();
/** A count or position: bigint in the database, a number here. */
export const position = () => p.bigint('number');
