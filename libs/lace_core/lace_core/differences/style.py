"""The style of the page of differences: on screens light and dark, and on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #767676; --soft: #f2f2f2;
  --ins: #dff3e0; --del: #fbe3e1; --link: #0b4fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #eaeaea; --paper: #161616; --line: #8a8a8a; --soft: #262626;
  --ins: #173b1c; --del: #4a1d1a; --link: #8ab8ff; } }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { margin-top: 2.5rem; overflow-wrap: anywhere; }
a { color: var(--link); } a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
dl > div { display: flex; gap: 1rem; } dt { min-width: 6rem; font-weight: 600; } dd { margin: 0; }
.wide { overflow-x: auto; } .wide > table { min-width: 44rem; }
.wide:focus-visible { outline: 3px solid var(--link); }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding: .25rem 0; color: inherit; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { background: var(--soft); overflow-wrap: normal; } td:nth-child(n+2) { min-width: 7rem; }
td:first-child, th:first-child { white-space: nowrap; overflow-wrap: normal; }
td p { margin: 0 0 .35rem; } td :target { outline: 3px solid var(--link); }
td:not(:first-child) > :is(span, strong, ins, del) { white-space: pre-wrap; }
tr:has(:target) { outline: 3px solid var(--link); }
.sides { border: 1px solid var(--line); } .sides td { border-top: 0; border-bottom: 0; }
.sides td:nth-child(n+2) { width: 44%; }
.skipped td { background: var(--soft); font-style: italic; border: 1px solid var(--line); }
ins { background: var(--ins); text-decoration: underline; text-decoration-thickness: 2px; }
del { background: var(--del); text-decoration: line-through; text-decoration-thickness: 2px; }
.added, .removed, .changed, .moved { font-weight: 600; } .unchanged { font-weight: 400; }
.said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { main { max-width: none; padding: 0; } .wide { overflow: visible; } .wide > table { min-width: 0; }
  tr { break-inside: avoid; }
  a { color: inherit; } body { font-size: 10pt; } }
"""
