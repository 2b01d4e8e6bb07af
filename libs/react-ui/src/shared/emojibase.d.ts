// The compiler would infer a type of half a megabyte.
declare module 'emojibase-data/en/compact.json' {
  const data: readonly unknown[];
  export default data;
}
