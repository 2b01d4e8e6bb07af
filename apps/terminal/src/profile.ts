import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stateHome } from './environment.js';
import type { Options } from './options.js';

type Who = NonNullable<Options['who']>;

/** Where the session and the unsent messages of one user of one server lie. */
export interface Profile {
  readonly who: Who;
  readonly folder: string;
}

const fileName = (text: string): string => encodeURIComponent(text).replaceAll('.', '%2E').slice(0, 200);
const homeOf = (url: string): string => join(stateHome, fileName(new URL(url).host));

/** The profile of whom the options name, or of whoever was here last; undefined when nobody was. */
export async function findProfile({ url, who }: Options): Promise<Profile | undefined> {
  const home = homeOf(url);
  const found = who ?? (await lastOf(home));
  return found && { who: found, folder: join(home, fileName(`${found.kind} ${found.name}`)) };
}

/** Remembers who was here last. */
export async function remember(url: string, { who }: Profile): Promise<void> {
  const home = homeOf(url);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writeFile(join(home, 'last.json'), JSON.stringify(who), { mode: 0o600 });
}

export async function removeProfile(url: string, { who, folder }: Profile): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const last = await lastOf(homeOf(url));
  if (last?.kind === who.kind && last.name === who.name) await rm(join(homeOf(url), 'last.json'), { force: true });
}

async function lastOf(home: string): Promise<Who | undefined> {
  const text = await readFile(join(home, 'last.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Who);
}
