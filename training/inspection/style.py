"""The looks of a page: one style sheet, light or dark as the reader's machine is, and nothing from the network."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #ffffff; --ink: #23262b; --soft: #666c75; --line: #e4e1da;
  --fix: #b3392f; --fix-wash: #fbecea; --look: #946300; --look-wash: #fdf4de; --good: #2e7047; --good-wash: #e8f3ec; --bar: #2a6f97; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --card: #1f2226; --ink: #e6e4df; --soft: #a0a6ae; --line: #33373d;
  --fix: #ff8d80; --fix-wash: #3a2220; --look: #f0c060; --look-wash: #362d18; --good: #7fcf9b; --good-wash: #1d3226; --bar: #6db3d9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 21px; margin: 44px 0 12px; }
h3 { font-size: 16px; margin: 20px 0 8px; }
p { margin: 0 0 8px; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.verdict { border-radius: 12px; padding: 18px 22px; margin: 24px 0; border: 1px solid var(--line); }
.verdict strong { font-size: 19px; display: block; margin-bottom: 4px; }
.verdict ol { margin: 8px 0 0; padding-left: 22px; }
.fix { border-left: 5px solid var(--fix); } .look { border-left: 5px solid var(--look); } .good { border-left: 5px solid var(--good); }
.verdict.fix { background: var(--fix-wash); } .verdict.look { background: var(--look-wash); }
.verdict.good { background: var(--good-wash); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tile { padding: 12px 16px; } .tile b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card { padding: 16px 20px; margin: 12px 0; }
.card.fix { border-left: 5px solid var(--fix); } .card.look { border-left: 5px solid var(--look); }
.card .said { font-weight: 600; }
.card ul { margin: 6px 0 0; padding-left: 20px; }
code { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
th, td { text-align: left; padding: 8px 12px; border-top: 1px solid var(--line); vertical-align: middle; font-size: 14px; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: 13px; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { width: 38%; }
.track { display: flex; height: 10px; border-radius: 5px; background: var(--line); overflow: hidden; }
.track i { background: var(--bar); border-radius: 5px; }
.warn { color: var(--fix); font-weight: 600; }
svg.histogram { width: 132px; height: 30px; display: block; fill: var(--bar); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; margin-top: 4px; }
.verdict a { color: inherit; text-decoration-color: transparent; } .verdict a:hover { text-decoration-color: currentColor; }
svg.large { width: 100%; height: 90px; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 10px; }
figure { margin: 0; } figure img { width: 100%; aspect-ratio: 1; display: block; border-radius: 8px; background: #000; }
figcaption { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  font-size: 11px; line-height: 1.35; color: var(--soft); margin-top: 4px; overflow-wrap: anywhere; }
img.chart { width: 100%; display: block; border-radius: 8px; background: #fff; }
.card .sheet { margin-top: 12px; grid-template-columns: repeat(auto-fill, 104px); }
.checks { list-style: none; padding: 0; margin: 0; columns: 2; column-gap: 32px; }
.checks li { break-inside: avoid; padding: 4px 0 4px 26px; position: relative; font-size: 14px; }
.checks li::before { position: absolute; left: 0; font-weight: 700; content: "✓"; color: var(--good); }
.checks li.fix, .checks li.look { border: 0; } .checks li.fix::before { content: "✕"; color: var(--fix); }
.checks li.look::before { content: "?"; color: var(--look); }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); padding-top: 12px; }
@media (max-width: 640px) { .checks { columns: 1; } main { padding: 24px 14px 60px; } }
@media print { body { background: #fff; } .card, .tile, table { break-inside: avoid; } }
"""


def document(title: str, body: str) -> str:
    """A whole page; both are HTML already."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n'
