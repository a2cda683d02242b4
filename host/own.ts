// Tables by names that people write: `constructor` is in none of them.

/** What a table has under a name of its own. */
export function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
