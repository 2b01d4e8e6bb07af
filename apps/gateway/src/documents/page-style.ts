/** The style of /api/docs: one column on narrow screens; light or dark as the system. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1b2430; --soft: #566273; --paper: #fff; --panel: #f3f5f8; --line: #c9d0da; --accent: #0b57b7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a7b2c0; --paper: #12171e; --panel: #1b222c; --line: #3a4553; --accent: #8ab8ff; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { scroll-padding-top: 1rem; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 0.5rem; top: 0.5rem; padding: 0.5rem; background: var(--paper); z-index: 1; }
header, main { padding: 1rem; }
nav { padding: 0 1rem 1rem; }
nav ul { list-style: none; margin: 0; padding: 0 0 0.5rem 1rem; }
nav summary { cursor: pointer; padding: 0.25rem 0; font-weight: 600; }
nav li a { display: block; padding: 0.15rem 0; }
h1 { font-size: 1.6rem; margin: 0 0 0.5rem; }
h2 { margin: 2rem 0 0.5rem; }
h3 { font-size: 1.05rem; margin: 0; font-family: ui-monospace, monospace; }
code, pre, textarea { font: 0.85rem/1.45 ui-monospace, monospace; }
pre { margin: 0.5rem 0; padding: 0.75rem; overflow: auto; max-height: 24rem; background: var(--panel); border-radius: 6px; }
article { padding: 1rem; margin: 1rem 0; border: 1px solid var(--line); border-radius: 8px; }
article p { margin: 0.25rem 0 0.5rem; }
dl { display: grid; grid-template-columns: minmax(4rem, auto) 1fr; gap: 0.25rem 1rem; margin: 0.5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
details > summary { cursor: pointer; }
.wide { overflow: auto; }
table { border-collapse: collapse; width: 100%; min-width: 48rem; }
td:first-child { white-space: nowrap; }
td, th { border-top: 1px solid var(--line); padding: 0.5rem; text-align: left; vertical-align: top; }
input, textarea, button { font-size: 1rem; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 6px; padding: 0.5rem 0.75rem; }
textarea { width: 100%; min-height: 9rem; font-size: 0.85rem; }
button { cursor: pointer; background: var(--panel); margin: 0.5rem 0.5rem 0 0; }
button:disabled { cursor: default; opacity: 0.6; }
input[type='search'] { width: 100%; }
output { display: block; white-space: pre-wrap; font: 0.85rem/1.45 ui-monospace, monospace; margin-top: 0.5rem; max-height: 24rem; overflow: auto; }
#events { list-style: none; margin: 0.5rem 0; padding: 0; max-height: 24rem; overflow: auto; }
.try, .search { display: none; }
.scripted .try, .scripted .search { display: block; }
@media (min-width: 60rem) {
  .page { display: grid; grid-template-columns: 18rem minmax(0, 1fr); max-width: 90rem; margin: 0 auto; }
  .side { position: sticky; top: 0; height: 100vh; overflow: auto; border-right: 1px solid var(--line); }
}
`;
