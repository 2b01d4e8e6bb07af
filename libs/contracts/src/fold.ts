/** Folds a name or title for searches: case and width do not matter, whatever the database's locale is. */
export const foldName = (name: string): string => name.normalize('NFKC').toLowerCase();

/** A pattern for SQL's `like` that matches names containing `part` literally. */
export const partPattern = (part: string): string => `%${part.replace(/[\\%_]/g, '\\$&')}%`;
