import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isSecret } from '@parley/service-kit';
import type { z } from 'zod';
import type { Command } from '../command.js';
import { programs, type Program } from './programs.js';

const path = join(import.meta.dirname, '../../../../docs/configuration.md');

const defaultOf = (field: z.ZodType): string => {
  const parsed = field.safeParse(undefined);
  if (!parsed.success) return '*required*';
  const { data } = parsed;
  const text = Array.isArray(data) ? data.join(',') : JSON.stringify(data ?? '').replaceAll('"', '');
  return text === '' ? '' : `\`${text}\``;
};

const row = ([name, field]: [string, z.ZodType]): string =>
  `| \`${name}\`${isSecret(field) ? ' 🔑' : ''} | ${defaultOf(field)} | ${field.description ?? ''} |`;

const table = ({ title, shape }: Program): string => {
  const fields = (Object.entries(shape) as [string, z.ZodType][]).toSorted(([one], [other]) =>
    one.localeCompare(other),
  );
  return `## ${title}\n\n| variable | default | what it does |\n| --- | --- | --- |\n${fields.map(row).join('\n')}\n`;
};

/** The text of `docs/configuration.md`, generated from the schemas. */
export const configurationPage = (): string => `# Configuration

Generated from the schemas by \`npm run config:doc\`. Every setting is an environment variable; an empty one counts as unset. A process with a wrong configuration lists all problems and exits with code 1.

**Secrets**, marked 🔑, can also be read from a file, whose path is in \`<NAME>_FILE\`: \`DATABASE_URL_FILE=/run/secrets/database-url\`. That keeps them out of \`docker inspect\`, pod descriptions and crash reports. A line break at the end of the file is
removed. Setting both is an error. A file is read once, at the start.

**\`DATABASE_URL\`** is \`postgres://user:password@host:port/database\`, everywhere in the same way. \`/ ? # @ %\` in a name or password are written \`%2F %3F %23 %40 %25\`. An IPv6 address stands in brackets. Of several hosts
(\`one:5432,two:5432\`), each new connection takes the first that answers. Parameters may follow, \`?name=value&…\`; any other is an error:

| parameter | what it does |
| --- | --- |
| \`sslmode\` | as in libpq: \`disable\` (the default here), \`allow\`, \`prefer\`, \`require\`, \`verify-ca\`, \`verify-full\`. Only the last two are safe against somebody between the two sides |
| \`sslrootcert\` | the file with the certificate of the authority that signed the server’s; with it \`require\` is \`verify-ca\`. \`system\`: those that the machine trusts, with \`verify-full\` only |
| \`sslcert\`, \`sslkey\` | the files of a certificate for the client, and of its key. All files are read once, at the start |
| \`target_session_attrs\` | \`any\` (the default), \`read-write\`, \`primary\`: the host that a connection wants. A service follows a failover to another of its hosts |
| \`pgbouncer\` | \`true\`: the address is that of PgBouncer in transaction mode. The services of a cluster then prepare no statements and keep nothing in a session; the limits of their statements come from their roles, which the migration sets. The migration, the operator’s commands and one process for all services connect to Postgres itself |

**Checking** starts nothing and connects to nothing:

\`\`\`sh runnable
npm run config:check                                                    # embedded mode, with the environment as it is
printf 'AMQP_URL=amqp://parley:secret@rabbitmq\\nREDIS_URL=redis://redis\\nFILES_DIR=/srv/parley\\n' > ./production.env
npm run config:check -- gateway presence --env-file ./production.env    # these processes, with the variables of a file only, in which unknown names are errors
\`\`\`

With \`S3_BUCKET\`, files are stored in that bucket: \`docker compose --profile minio up\` starts a MinIO with it, at \`S3_ENDPOINT=http://minio:9000\`.
The bucket store is tested against a stand-in that speaks S3's protocol, not against MinIO or Amazon S3.

${programs.map(table).join('\n')}`;

export const configDocCommand: Command = {
  usage: 'config doc [--check]',
  does: 'writes docs/configuration.md from the schemas; with --check only checks that it is up to date',
  async run(args, print) {
    const { values } = parseArgs({ args: [...args], options: { check: { type: 'boolean', default: false } } });
    const page = configurationPage();
    if (values.check) {
      const same = (await readFile(path, 'utf8').catch(() => '')) === page;
      print(same ? 'docs/configuration.md is up to date' : 'docs/configuration.md is out of date: npm run config:doc');
      return same ? 0 : 1;
    }
    await writeFile(path, page);
    print('docs/configuration.md is written');
    return 0;
  },
};
