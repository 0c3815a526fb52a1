"""The style sheet of the HTML report: light and dark, without fonts or files from elsewhere."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2127; --soft: #55606b; --paper: #ffffff; --panel: #f4f6f8; --line: #d5dbe1;
  --ours: #0072b2; --warn: #b34700; --good: #00704f; --band: #0072b255; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #a4afba; --paper: #14181c; --panel: #1e242a; --line: #38424c;
    --ours: #56b4e9; --warn: #ff9d5c; --good: #4fd1a5; --band: #56b4e966; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
p { margin: .4rem 0; max-width: 62rem; }
a { color: var(--ours); }
code { font: .88em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.soft, small, figcaption { color: var(--soft); }
small, figcaption, .meta { font-size: .85rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0 0; font-size: .92rem; }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.6rem; margin: .5rem 0; padding: 0; font-size: .92rem; }
.facts div { display: flex; gap: .4rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; margin: 1rem 0 .4rem; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem .8rem; }
.card h3 { font-weight: 600; min-height: 3em; }
.card .value { font-size: 2rem; font-weight: 700; line-height: 1.1; margin: 0; font-variant-numeric: tabular-nums; }
.card .value small { font-size: .9rem; font-weight: 400; }
.card table { margin-top: .5rem; font-size: .85rem; width: 100%; }
.card tbody th { min-width: 0; }
.card td, .card th { padding: .05rem 0; border: 0; background: none; }
.card th { font-weight: 400; color: var(--soft); }
.verdict { border-left: .3rem solid var(--good); background: var(--panel); padding: .5rem .8rem; margin: .9rem 0 0; }
.verdict.doubt { border-color: var(--warn); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.scroll table { width: 100%; font-size: .88rem; }
caption { text-align: left; padding: .4rem .6rem; color: var(--soft); font-size: .85rem; }
th, td { text-align: right; padding: .28rem .55rem; white-space: nowrap; vertical-align: top;
  border-top: 1px solid var(--line); }
thead th { background: var(--panel); border-top: 0; vertical-align: bottom; white-space: normal; font-weight: 600; }
th:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; min-width: 9.5rem; }
summary { cursor: pointer; color: var(--ours); margin: .5rem 0; }
tbody th { font-weight: 400; white-space: normal; min-width: 13rem; position: sticky; left: 0; background: var(--paper); }
td small { display: block; line-height: 1.3; }
td .doubt { color: var(--warn); font-weight: 600; } td .good { color: var(--good); } td .open { font-style: italic; }
tbody th small { display: inline; font: .8rem system-ui, sans-serif; }
.bar { display: block; width: 8rem; height: 1.1rem; overflow: visible; }
.card .bar { width: 100%; margin-top: .5rem; }
.bar .track { fill: var(--line); } .bar .band { fill: var(--band); } .bar .dot { fill: var(--ours); }
.bar .random { stroke: var(--soft); stroke-width: 2; }
.bar .silent { fill: var(--paper); stroke: var(--warn); stroke-width: 2; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 31rem), 1fr)); gap: 1.2rem;
  align-items: start; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: .4rem; }
figcaption { margin-top: .3rem; }
.item { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: .4rem 1.2rem; padding: 1rem 0;
  border-top: 1px solid var(--line); }
.item h3 { font-size: 1.05rem; }
.item .meta { color: var(--soft); overflow-wrap: anywhere; margin: 0 0 .4rem; }
.item dl { margin: 0 0 .5rem; display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .15rem .6rem; }
.item dt { color: var(--soft); }
.item dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.item .given { color: var(--warn); font-weight: 600; } .item .true { color: var(--ours); font-weight: 600; }
audio { width: 100%; max-width: 30rem; }
.item ol { margin: .4rem 0 0; padding-left: 1.4rem; font-size: .88rem; }
@media (max-width: 46rem) { .item { grid-template-columns: minmax(0, 1fr); } .item figure { max-width: 20rem; } }
"""
