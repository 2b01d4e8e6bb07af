import { protocol, type PGlite } from '@electric-sql/pglite';
import { encode, parserOf } from './codec.js';
import type { Row } from './database.js';
import { Lru } from './lru.js';

const { serialize, messages } = protocol;
type Message = Awaited<ReturnType<PGlite['execProtocolStream']>>[number];
type Field = InstanceType<typeof messages.RowDescriptionMessage>['fields'][number];

/** Statements that are kept prepared, by their text. */
const MOST = 250;
/** Nothing gathers statistics in PGlite, and a plan that was made when a table was small is used as long as its statement is: none is older than this. */
const LONGEST_MS = 60_000;

interface Statement {
  readonly name: string;
  readonly until: number;
  readonly fields: readonly Field[];
}

/**
 * Runs statements on a PGlite. PGlite's own `query` goes six times into WebAssembly for one, and has it parsed and planned each time; here it is one message, of a statement that is
 * prepared once a minute. Rows are as {@link parserOf} reads them.
 */
export class Statements {
  private readonly prepared = new Lru<Statement>(MOST, () => 1, ({ name }) => this.dropped.push(name));
  /** Names of those that PGlite is still to be told to forget. */
  private dropped: string[] = [];
  private count = 0;

  constructor(private readonly engine: PGlite) {}

  /** By itself, in no transaction. */
  alone<T extends Row>(text: string, parameters: readonly unknown[]): Promise<T[]> {
    return this.engine._runExclusiveTransaction(async () => {
      const rows = await this.within<T>(text, parameters);
      await this.engine.syncToFs();
      return rows;
    });
  }

  /** In the transaction of PGlite's that is open. */
  within<T extends Row>(text: string, parameters: readonly unknown[]): Promise<T[]> {
    return this.engine._runExclusiveQuery(() => this.exchange<T>(text, parameters));
  }

  private async exchange<T extends Row>(text: string, parameters: readonly unknown[]): Promise<T[]> {
    const known = this.prepared.get(text);
    const statement = known && known.until > Date.now() ? known : undefined;
    if (known && !statement) this.prepared.delete(text);
    const name = statement?.name ?? `p${(this.count++).toString(36)}`;
    const forgotten = this.dropped;
    this.dropped = [];
    const answers = await this.engine.execProtocolStream(
      Buffer.concat([
        ...forgotten.map((one) => serialize.close({ type: 'S', name: one })),
        ...(statement ? [] : [serialize.parse({ name, text }), serialize.describe({ type: 'S', name })]),
        serialize.bind({ statement: name, values: parameters.map(encode) }), serialize.execute(), serialize.sync(),
      ]),
      { syncToFs: false, throwOnError: false },
    );
    const fields = statement?.fields ?? fieldsIn(answers);
    if (!statement && answers.some((one) => one.name === 'parseComplete')) this.prepared.set(text, { name, fields, until: Date.now() + LONGEST_MS });
    const failure = answers.find((one) => one instanceof messages.DatabaseError);
    if (failure) throw failure as Error;
    return answers.filter((one) => one instanceof messages.DataRowMessage).map((row) => rowOf<T>(fields, row.fields));
  }
}

const fieldsIn = (answers: readonly Message[]): readonly Field[] => answers.find((one) => one instanceof messages.RowDescriptionMessage)?.fields ?? [];

function rowOf<T extends Row>(fields: readonly Field[], values: readonly (string | null)[]): T {
  const row: Row = {};
  fields.forEach(({ name, dataTypeID }, at) => {
    const value = values[at]!;
    row[name] = value === null ? null : parserOf(dataTypeID)(value);
  });
  return row as T;
}
