import { authConfig } from '@parley/auth';
import { gatewayProcessConfig } from '@parley/gateway';
import { historyConfig } from '@parley/history';
import { messagesConfig } from '@parley/messages';
import { presenceConfig } from '@parley/presence';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { standaloneConfig } from './config.js';

type Shape = Readonly<Record<string, z.ZodType>>;

const apps: readonly (readonly [title: string, shape: Shape])[] = [
  ['Everything in one process (`npm start`)', standaloneConfig],
  ['gateway', gatewayProcessConfig], ['auth', authConfig], ['messages', messagesConfig], ['history', historyConfig], ['presence', presenceConfig],
];

const fallback = (field: z.ZodType): string => {
  const preset = field.safeParse(undefined);
  if (!preset.success) return '*required*';
  return preset.data === undefined ? '' : `\`${Array.isArray(preset.data) ? preset.data.join(',') : JSON.stringify(preset.data).replaceAll('"', '')}\``;
};

const table = (shape: Shape): string =>
  Object.entries(shape)
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, field]) => `| \`${name}\` | ${fallback(field)} | ${field.description ?? ''} |`)
    .join('\n');

const page = `# Configuration

Printed from the schemas that read it (\`npm test -- apps/standalone/src/configuration.spec.ts -u\` prints it anew). Everything is an environment variable; an empty one counts as unset.
A process whose configuration is wrong says everything that is wrong with it, and ends with code 1.

Files lie in a bucket where \`S3_BUCKET\` names one: \`docker compose --profile minio up\` brings a MinIO with that bucket, at \`S3_ENDPOINT=http://minio:9000\`, with the key and the secret (8 characters at least) that you give it.
The bucket store is tested against a stand-in that speaks S3's protocol, not against MinIO or Amazon S3 themselves.

${apps.map(([title, shape]) => `## ${title}\n\n| variable | default | what it does |\n| --- | --- | --- |\n${table(shape)}\n`).join('\n')}`;

it('every variable says what it does', () => {
  for (const [, shape] of apps) for (const [name, field] of Object.entries(shape)) expect(field.description, name).toBeTruthy();
});

it('docs/configuration.md is what the schemas say', async () => {
  await expect(page).toMatchFileSnapshot('../../../docs/configuration.md');
});
