"""What the page looks like: by itself, and inside a notebook."""

STYLE = """
.gorilla-report { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem; }
.gorilla-report h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
.gorilla-report h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
.gorilla-report p, .gorilla-report ul { max-width: 46rem; margin: .5rem 0; }
.gorilla-report .scroll { overflow-x: auto; margin: .8rem 0; }
.gorilla-report table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: 0; }
.gorilla-report th, .gorilla-report td { padding: .3rem .5rem; text-align: right; vertical-align: baseline;
  white-space: nowrap; border-bottom: 1px solid rgba(128, 128, 128, .3); background: none; }
.gorilla-report thead th { vertical-align: bottom; border-bottom-width: 2px; white-space: normal; max-width: 7rem; }
.gorilla-report thead th[scope=colgroup] { text-align: center; border-bottom-width: 1px; white-space: nowrap;
  max-width: none; }
.gorilla-report th:first-child { text-align: left; }
.gorilla-report tbody th { font-weight: normal; }
.gorilla-report tr.group th { font-weight: bold; padding-top: .9rem; }
.gorilla-report small { display: block; opacity: .75; font-size: .78rem; }
.gorilla-report figure { margin: 1.2rem 0 2rem; }
.gorilla-report img { display: block; width: 100%; max-width: 52rem; background: #fff; border-radius: 6px;
  padding: .6rem; box-sizing: border-box; }
.gorilla-report figcaption { max-width: 46rem; margin-top: .4rem; }
.gorilla-report table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.gorilla-report table.facts th { vertical-align: top; }
.gorilla-report code { font-family: ui-monospace, monospace; font-size: .95em; }
"""
# In a notebook, what is behind a column isn't known, so that names stay in sight on a page alone.
PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; color: CanvasText; }
.gorilla-report .scroll th:first-child:not([colspan]) { position: sticky; left: 0; background: Canvas; }
"""
