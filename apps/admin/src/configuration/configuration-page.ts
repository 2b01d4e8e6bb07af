import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSecret } from '@parley/service-kit';
import type { z } from 'zod';
import type { Command } from '../command.js';
import { programs, type Program } from './programs.js';

const place = join(import.meta.dirname, '../../../../docs/configuration.md');

const fallback = (field: z.ZodType): string => {
  const preset = field.safeParse(undefined);
  if (!preset.success) return '*required*';
  return preset.data === undefined
    ? ''
    : `\`${Array.isArray(preset.data) ? preset.data.join(',') : JSON.stringify(preset.data).replaceAll('"', '')}\``;
};

const row = ([name, field]: [string, z.ZodType]): string =>
  `| \`${name}\`${isSecret(field) ? ' 🔑' : ''} | ${fallback(field)} | ${field.description ?? ''} |`;

const table = ({ title, shape }: Program): string => {
  const fields = (Object.entries(shape) as [string, z.ZodType][]).toSorted(([one], [other]) =>
    one.localeCompare(other),
  );
  return `## ${title}\n\n| variable | default | what it does |\n| --- | --- | --- |\n${fields.map(row).join('\n')}\n`;
};

/** `docs/configuration.md`, as the schemas have it. */
export const configurationPage = (): string => `# Configuration

Printed from the schemas that read it by \`npm run config:doc\`. Everything is an environment variable; an empty one counts as unset. A process whose configuration is wrong says everything that is wrong with it, and ends with code 1.

**Secrets**, marked 🔑, may also be given as the path of a file that holds them, in \`<NAME>_FILE\`: \`DATABASE_URL_FILE=/run/secrets/database-url\`. That keeps them out of \`docker inspect\`, pod descriptions and crash reports. A line break at the end of the file is
left out. Giving both is a mistake. A file is read once, at the start.

**Checking** starts nothing and connects to nothing:

\`\`\`sh runnable
npm run config:check                                                    # embedded mode, with the environment as it is
printf 'AMQP_URL=amqp://parley:secret@rabbitmq\\nREDIS_URL=redis://redis\\nFILES_DIR=/srv/parley\\n' > ./production.env
npm run config:check -- gateway presence --env-file ./production.env    # these processes, with the variables of a file alone, in which unknown names are mistakes
\`\`\`

Files lie in a bucket where \`S3_BUCKET\` names one: \`docker compose --profile minio up\` brings a MinIO with that bucket, at \`S3_ENDPOINT=http://minio:9000\`.
The bucket store is tested against a stand-in that speaks S3's protocol, not against MinIO or Amazon S3 themselves.

${programs.map(table).join('\n')}`;

export const configDoc: Command = {
  usage: 'config doc [--check]',
  does: 'writes docs/configuration.md from the schemas; with --check only says whether it is up to date',
  async run(args, say) {
    const page = configurationPage();
    if (args.includes('--check')) {
      const same = (await readFile(place, 'utf8').catch(() => '')) === page;
      say(
        same
          ? 'docs/configuration.md is up to date'
          : 'docs/configuration.md is not what the schemas say: npm run config:doc',
      );
      return same ? 0 : 1;
    }
    await writeFile(place, page);
    say('docs/configuration.md is written');
    return 0;
  },
};
