// node tools/image.mjs APP FOLDER: copies an app with its run-time dependencies, own packages and third parties, out of an installed and compiled workspace.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './prepare.mjs';

/**
 * The entries of `package-lock.json` that an app needs at run time, resolved from its workspace as Node resolves packages.
 * @param {Record<string, { link?: boolean, resolved?: string, dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>, peerDependencies?: Record<string, string> }>} packages
 * @param {string} app
 * @returns {string[]} paths, workspaces among them
 */
export function closure(packages, app) {
  /** @type {Set<string>} */
  const found = new Set();
  /** @param {string} from @param {string} name */
  const lookUp = (from, name) => {
    for (let folder = from; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
      const path = `${folder}${folder === '' ? '' : '/'}node_modules/${name}`;
      if (packages[path]) return path;
      if (folder === '') return undefined;
    }
  };
  /** @param {string} path */
  const visit = (path) => {
    if (found.has(path)) return;
    found.add(path);
    const entry = packages[path];
    if (!entry) throw new Error(`package-lock.json has no ${path}`);
    if (entry.link) return visit(String(entry.resolved));
    for (const name of Object.keys({
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...entry.peerDependencies,
    })) {
      const there = lookUp(path, name);
      if (there) visit(there);
      else if (entry.dependencies?.[name]) throw new Error(`${path} needs ${name}, which is not in package-lock.json`);
    }
  };
  visit(`apps/${app}`);
  return [...found].toSorted();
}

/** Whether a process may read the file at run time. @param {string} path */
const useful = (path) => !/\.(map|d\.[cm]?ts|tsbuildinfo)$/.test(path) && !path.endsWith('/dist/spec');

if (import.meta.main) {
  const [app, folder] = process.argv.slice(2);
  if (!app || !folder) throw new Error('usage: node tools/image.mjs APP FOLDER');
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  for (const path of closure(packages, app)) {
    const [from, to] = [join(root, path), join(folder, path)];
    // Most optional packages are for other platforms.
    if (!existsSync(from)) continue;
    mkdirSync(join(to, '..'), { recursive: true });
    if (packages[path].link) symlinkSync(relative(join(to, '..'), join(folder, packages[path].resolved)), to);
    else if (path.includes('node_modules/'))
      cpSync(from, to, {
        recursive: true,
        filter: (source) => useful(source) && !source.slice(from.length).includes('/node_modules'),
      });
    else
      for (const part of ['package.json', 'dist'])
        cpSync(join(from, part), join(to, part), { recursive: true, filter: useful });
  }
  // The gateway serves the web app, and the chat as an element.
  if (closure(packages, app).includes('apps/gateway'))
    for (const served of [join('apps', 'web', 'dist'), join('libs', 'react-ui', 'dist', 'embed')])
      cpSync(join(root, served), join(folder, served), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join('apps', app, 'dist', 'main.js'), join(folder, 'main.js'));
}
