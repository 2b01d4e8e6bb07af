import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first program that can be executed: the `chosen` one, one of these names in the PATH, one of these paths. */
export function firstExecutable(
  chosen: string | undefined,
  names: readonly string[],
  paths: readonly string[],
): string | undefined {
  const inPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)));
  return [chosen, ...inPath, ...paths].find((path) => {
    try {
      if (path !== undefined) accessSync(path, constants.X_OK);
      return path !== undefined;
    } catch {
      return false;
    }
  });
}
