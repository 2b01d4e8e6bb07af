/** How names and titles are compared in searches: case and width don't matter, whatever the database's locale. */
export const foldName = (name: string): string => name.normalize('NFKC').toLowerCase();

/** A part of a folded name as a pattern for SQL's `like`, taken literally. */
export const partPattern = (part: string): string => `%${part.replace(/[\\%_]/g, '\\$&')}%`;
