import { createLogger } from '@parley/service-kit';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openPool } from './postgres.js';
import { SpecDatabase } from './spec/databases.js';

describe('the entities', () => {
  let own: SpecDatabase;
  beforeAll(async () => {
    own = await SpecDatabase.create(inject('servers').databaseUrl);
  });
  afterAll(() => own.drop());

  it('agree with the migrated schema in columns, types, defaults and keys', async () => {
    const { orm } = await openPool({ url: own.url, logger: createLogger('spec', 'silent') });
    try {
      const difference = (await orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false }))
        .split('\n')
        .filter((line) => line !== '');
      // Checks, foreign keys and most indexes are only in the migrations.
      expect(difference.filter((line) => !/^(alter table \S+ drop constraint|drop index) /.test(line))).toEqual([]);
      expect(difference.filter((line) => /_(pkey|username_key)"/.test(line))).toEqual([]);
    } finally {
      await orm.close(true);
    }
  });
});
