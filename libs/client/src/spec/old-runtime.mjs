// node --import ./old-runtime.mjs program.mjs: takes away the globals that Node 18 or Safari 15.4 lacks, before the program
// begins. Newer parts of ECMAScript stay, because Node itself uses them; the compiler rules them out.
// Node's own fetch uses some of them when it is loaded.
await fetch('data:,', { method: 'POST', body: new FormData() });
for (const [holder, names] of [
  [globalThis, ['File', 'navigator', 'crypto', 'WebSocket', 'CloseEvent']],
  [AbortSignal, ['any', 'timeout']],
  [URL, ['canParse', 'parse']],
])
  for (const name of names) delete holder[name];
