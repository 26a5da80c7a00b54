"""The style of the report: one page without script or outside resource, light and dark, wide and narrow."""

from __future__ import annotations

N_COLOURS = 8

_LIGHT = """
--page:#f6f7f9;--card:#ffffff;--ink:#14181f;--ink-2:#525b68;--ink-3:#7b8491;--rule:#e2e6eb;--grid:#eaedf1;
--accent:#2a6fd0;--wash:#eaf1fc;--warn:#8a5200;--warn-wash:#fdf3e1;
--s0:#2a78d6;--s1:#d95a1e;--s2:#12966a;--s3:#b07a00;--s4:#c8497d;--s5:#4a3aa7;--s6:#c93a3b;--s7:#3f7d20;
"""
_DARK = """
--page:#101317;--card:#181c22;--ink:#eef1f5;--ink-2:#b1b9c4;--ink-3:#868f9b;--rule:#2c323b;--grid:#262c34;
--accent:#5a9cf0;--wash:#1b2a40;--warn:#f0b65e;--warn-wash:#33270f;
--s0:#4c95ee;--s1:#ec7a42;--s2:#2cb887;--s3:#d9a02b;--s4:#e3709f;--s5:#9d92f0;--s6:#ee6f70;--s7:#74b44e;
"""

_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Liberation Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1180px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:17px;font-weight:600;margin:0 0 2px}
h2{font-size:18px;font-weight:650;margin:0 0 4px}
h3{font-size:14px;font-weight:600;margin:0 0 6px;overflow-wrap:anywhere}
p{margin:0}
.question{color:var(--ink-2);max-width:75ch}
.verdict{font-size:25px;line-height:1.3;font-weight:650;letter-spacing:-.01em;margin:20px 0 12px;max-width:40em;
text-wrap:pretty;overflow-wrap:anywhere}
.badges{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 22px;padding:0;list-style:none}
.badges li{background:var(--card);border:1px solid var(--rule);border-radius:99px;padding:3px 12px;font-size:13px;
color:var(--ink-2)}
.badges li.stamp{background:var(--warn-wash);border-color:transparent;color:var(--warn)}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px 22px;margin:0 0 18px;
overflow:hidden}
.read{color:var(--ink-2);font-size:13.5px;max-width:90ch;margin:0 0 14px}
.read b{font-weight:600;color:var(--ink)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--ink-3);text-align:left;font-size:12.5px;white-space:nowrap}
th,td{padding:8px 10px 8px 0;border-bottom:1px solid var(--rule);vertical-align:middle}
td.n,th.n{text-align:right}
tbody tr:last-child td,tbody tr:last-child th{border-bottom:0}
td.method b{display:block;font-weight:600;overflow-wrap:break-word;max-width:22em}
td.method span,.dim{color:var(--ink-3);font-size:12.5px}
td.best{font-weight:650}
td.plot{min-width:180px;width:24%}
table.board td{white-space:nowrap}
table.protocols,table.heat{width:auto;min-width:min(100%,420px)}
table.protocols td,table.protocols th,table.heat td,table.heat th{padding:6px 14px 6px 0}
th[scope=row]{position:sticky;left:0;background:var(--card);color:var(--ink);font-size:14px;font-weight:400;
min-width:9.5em;max-width:12em;white-space:normal;overflow-wrap:break-word}
table.heat td,table.heat th.n{padding:6px 10px;border-left:2px solid var(--card)}
table.heat td{background:color-mix(in srgb,var(--accent) calc(var(--share,0%)*.5),transparent)}
table.heat th.n{white-space:normal;min-width:5.6em;vertical-align:bottom}
th.group{text-align:center;border-left:2px solid var(--card)}
section>h3{margin-top:18px}
section>.read+h3{margin-top:0}
table.board tr.control td{color:var(--ink-2)}
td.message{overflow-wrap:anywhere;min-width:16em}
tr.axis td{border:0;padding-top:0}
.nowrap{white-space:nowrap}
.key{display:inline-block;width:10px;height:10px;border-radius:50%;background:var(--c);margin-right:6px}
.key.hollow{background:none;border:2px solid var(--c)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--ink-2);margin:0 0 10px}
.forest>div{display:grid;grid-template-columns:minmax(9em,15em) 1fr 13em;gap:2px 14px;align-items:center;
border-bottom:1px solid var(--rule);padding:5px 0}
.forest>div.axis,.forest>div:nth-last-child(2){border-bottom:0}
.forest .name{overflow-wrap:anywhere;font-size:14px}
.forest .value{font-size:13.5px;font-variant-numeric:tabular-nums;text-align:right}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:18px 24px}
.panels figure{margin:0;min-width:0;max-width:460px}
.side{display:flex;flex-wrap:wrap;gap:18px 36px}
.side figure{margin:0;min-width:0}
.panels.maps{grid-template-columns:repeat(auto-fill,minmax(min(190px,45%),1fr));margin:0 0 18px}
.panels.maps figure{max-width:330px}
svg{display:block}
svg.panel,svg.matrix{width:100%;height:auto}
svg.map{width:100%;height:auto}
svg.track{width:100%;height:26px;overflow:visible}
svg.track.tall{height:38px}
svg.ticks{width:100%;height:18px;overflow:visible}
.t{font-size:11.5px;fill:var(--ink-3)}
.t.title{fill:var(--ink-2)}
.t.name{fill:var(--ink-2);font-size:12px}
.t.count{font-size:11px;fill:var(--ink)}
.t.count.on{fill:#fff}
.grid{stroke:var(--grid);stroke-width:1}
.baseline{stroke:var(--ink-3);stroke-width:1}
.zero{stroke:var(--ink-2);stroke-width:1.5}
.span{stroke:var(--c);stroke-width:3;stroke-linecap:round;opacity:.55}
.mean,.finished{fill:var(--c);stroke:var(--card);stroke-width:1.5}
.finished{fill-opacity:.8}
.hollow{fill:var(--card);stroke:var(--c);stroke-width:2}
.stopped{fill:none;stroke:var(--c);stroke-width:1.5;opacity:.75}
.trace{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
.faint{fill:none;stroke:var(--ink-3);stroke-width:1;opacity:.35}
.band{fill:var(--c);opacity:.13}
.single{fill:var(--c);opacity:.75}
.dots{fill:none;stroke:var(--c);stroke-width:3.6;stroke-linecap:round;opacity:.8}
.other{--c:var(--ink-3)}
.rest{stroke:var(--ink-3);stroke-width:1;stroke-dasharray:5 4}
.cell{fill:var(--accent)}
.frame{fill:none;stroke:var(--rule)}
.notes{margin:14px 0 0;padding-left:1.2em;color:var(--ink-2);font-size:14px}
.notes li{overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(7em,11em) 1fr;gap:6px 16px;margin:0;font-size:14px}
dt{color:var(--ink-3)}
dd{margin:0;overflow-wrap:anywhere}
h3.arm{margin:16px 0 2px}
h3.arm .dim{font-weight:400}
.faded{opacity:.55}
.warned{color:var(--warn);font-size:12.5px}
.finding{font-weight:600;margin:0 0 12px}
.panels.wide{grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr))}
table.labels{margin:14px 0 0;width:auto}
table.labels td,table.labels th{white-space:nowrap;padding-right:28px}
code{font:12.5px ui-monospace,"DejaVu Sans Mono",monospace}
@media screen and (max-width:860px){
main{padding:18px 12px 40px}
section{padding:16px 14px}
.verdict{font-size:20px}
.forest>div{grid-template-columns:1fr auto}
.forest .name{grid-row:1}.forest .value{grid-row:1}
.forest svg{grid-column:1/3}
.forest .axis .name,.forest .axis .value{display:none}
th[scope=row]{min-width:7.5em;max-width:9em}
table.protocols td,table.protocols th{padding-right:10px}
dl{grid-template-columns:1fr;gap:0}
dd{margin:0 0 8px}
table.board thead,table.board tr.axis{display:none}
table.board tr{display:grid;grid-template-columns:repeat(3,1fr);gap:4px 10px;padding:12px 0;
border-bottom:1px solid var(--rule)}
table.board tr:nth-last-child(2){border-bottom:0}
table.board td{border:0;padding:0;text-align:left;white-space:normal}
table.board td[data-label]::before{content:attr(data-label);display:block;font-size:11.5px;color:var(--ink-3)}
table.board td.rank{grid-column:1/4}
table.board td.rank::before{content:"rank ";display:inline}
table.board td.method{grid-column:1/3}
table.board td.plot{grid-column:1/4;width:auto}
table.board td.wide{grid-column:1/4}
}
"""

_PRINTED = """
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
:root{--page:#fff}
body{font-size:11px}
table,.forest .name,.forest .value,dl,.notes{font-size:10.5px}
.forest .value{white-space:nowrap}
table.board td.plot{min-width:110px}
.panels,.panels.wide{grid-template-columns:repeat(3,1fr)}
.panels.maps{grid-template-columns:repeat(5,1fr)}
.read,li,dd{break-inside:avoid}
main{max-width:none;padding:0}
section{padding:10px 12px;overflow:visible}
figure,tr,.forest>div,svg.matrix{break-inside:avoid}
h2,h3,.read{break-after:avoid}
.scroll{overflow:visible}
th[scope=row]{position:static;font-size:10.5px;min-width:0}
"""


def stylesheet() -> str:
    """Return the page's CSS; `.c0` to `.c7` choose the colour of a series."""
    series = "".join(f".c{i}{{--c:var(--s{i})}}" for i in range(N_COLOURS))
    return (
        f":root{{color-scheme:light dark;{_LIGHT}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}{_RULES}{series}"
        f"@media print{{{_PRINTED}}}"
    )


def series_class(position: int) -> str:
    """Return the class that colours the series at `position`."""
    return f"c{position % N_COLOURS}"
