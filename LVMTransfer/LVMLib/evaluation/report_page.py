"""The frame of the report page."""

from __future__ import annotations

from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { --ink: #1f2933; --soft: #5b6673; --line: #d9dee4; --before: #b35900; --after: #0b5fa5; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 32px 48px; background: #fff; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 36px 0 8px; padding-bottom: 4px; border-bottom: 2px solid var(--line); }
h3 { font-size: 15px; margin: 18px 0 6px; }
p { margin: 6px 0; max-width: 75ch; }
.note { color: var(--soft); font-size: 13px; }
.banner { max-width: none; padding: 9px 14px; border-radius: 6px; border: 1px solid var(--line); background: #f7f9fb;
  font-size: 14px; }
.banner.synthetic { background: #fff6e0; border-color: #e5bf5d; }
.verdict { max-width: none; font-size: 18px; padding: 14px 18px; border-left: 6px solid var(--soft);
  background: #f1f4f7; margin: 16px 0; }
.verdict.good { border-color: #1b7f5c; background: #eaf6f1; }
.verdict.bad { border-color: #b3261e; background: #fdecea; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--soft); font-weight: 600; }
table.wide { font-size: 12.5px; }
table.wide th, table.wide td { padding: 4px 7px; }
table.wide th { white-space: normal; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #fafbfc; }
td.good { color: #12664a; font-weight: 600; }
td.bad { color: #b3261e; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 490px)); gap: 18px; margin: 12px 0; }
.charts svg { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px; background: #fff; }
figure { margin: 0; }
.charts figcaption, .gallery figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px; margin: 8px 0 18px; }
.gallery img { width: 100%; height: auto; display: block; border-radius: 6px; background: #000; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; font-size: 13px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, Consolas, monospace; font-size: 12.5px; }
@media print {
  @page { margin: 14mm; }
  body { background: #fff; font-size: 11pt; }
  main { padding: 0; max-width: none; }
  h2 { break-after: avoid; }
  figure, tr, .verdict, .banner { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="banner"><strong>Research use only.</strong> This is not a medical device; do not base a diagnosis or a
treatment on these numbers.</p>
$phantom_banner
$verdicts
$sections
</main>
</body>
</html>
""")
