"""Draws docs/performance.svg from the figures that bench/compare.sh --json recorded. usage: bench/chart.py docs/performance.json"""

import json
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, BAR, GAP = 860, 330, 22, 16


def main():
    source = pathlib.Path(sys.argv[1])
    document = json.loads(source.read_text())
    rows, y, out = document["rows"], 56, []
    scale = (WIDTH - LEFT - 80) / 1.0
    for row in rows:
        met = row["ratio"] <= row["target"]
        label = f"{row['work']} ({row['metric']})"
        out += [
            f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{scale:.1f}" height="{BAR}" fill="#e4e4e7"/>',
            f'<rect x="{LEFT}" y="{y}" width="{row["ratio"] * scale:.1f}" height="{BAR}" fill="{"#2563eb" if met else "#d97706"}"/>',
            f'<line x1="{LEFT + row["target"] * scale:.1f}" x2="{LEFT + row["target"] * scale:.1f}" y1="{y - 3}" y2="{y + BAR + 3}" '
            'stroke="#111" stroke-width="2"/>',
            f'<text x="{LEFT + scale + 8:.1f}" y="{y + 15}">{row["ratio"]:.3f}</text>',
            f'<text x="{LEFT + 6}" y="{y + BAR + 12}" font-size="10" fill="#52525b">against {escape(row["against"])}</text>',
        ]
        y += BAR + GAP + 6
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" font-family="sans-serif" font-size="13">',
        f'<text x="10" y="20" font-size="15">modelseal against its peers: less is better, 1 is the peer, the line is the target</text>',
        f'<text x="10" y="38" font-size="11" fill="#52525b">{escape(document["machine"])}; medians of {document["rounds"]} rounds</text>',
    ]
    source.with_suffix(".svg").write_text("\n".join([*head, *out, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
