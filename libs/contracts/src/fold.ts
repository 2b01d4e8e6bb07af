/** Folds a name or title for searches: case and width do not matter, whatever the database's locale is. */
export const foldName = (name: string): string => name.normalize('NFKC').toLowerCase();

/** A literal part of a folded name as a pattern for SQL's `like`. */
export const partPattern = (part: string): string => `%${part.replace(/[\\%_]/g, '\\$&')}%`;
