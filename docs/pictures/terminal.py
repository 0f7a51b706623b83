"""A real terminal to run a command in, and a picture of what it showed.

The command runs on a pseudo-terminal; pyte interprets what it writes as a terminal does; rich draws the screen as an
SVG, which holds no script and needs nothing from elsewhere: fonts are the reader's own.
"""

import fcntl
import itertools
import os
import pty
import re
import struct
import termios

import pyte
import pyte.graphics
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme

# pyte knows no faint text
pyte.graphics.FG_ANSI[2] = "faint"

THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (240, 246, 252)],
)
# pyte's names for colours that rich calls otherwise
NAMES = {"brown": "yellow", "faint": "bright_black", "default": None}
FORMAT = """<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" y="TOP" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, "Cascadia Mono", Consolas, monospace; white-space: pre }}
.{unique_id}-title {{ font: 600 15px system-ui, sans-serif }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Terminal:
    """A screen of so many columns and lines, and what it has shown so far."""

    def __init__(self, columns, lines):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.frames = []

    def run(self, words, shown=None, **options):
        """Runs a command to its end as a person would, and gives its exit code. `shown` is what was typed."""
        self.stream.feed(f"\x1b[1;32m$\x1b[0m {shown or ' '.join(words)}\r\n".encode())
        pid, terminal = pty.fork()
        if pid == 0:
            size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            os.chdir(options.get("cwd", "."))
            os.execvpe(words[0], words, options.get("env", os.environ))
        while True:
            try:
                read = os.read(terminal, 65536)
            except OSError:
                break
            if not read:
                break
            self.stream.feed(read)
            self.frames.append(self.rows())
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def rows(self):
        """What the screen shows now: of each line its runs of text, each with its style."""
        rows = []
        for number in range(self.screen.lines):
            line = self.screen.buffer[number]
            cells = [(style(line[column]), line[column].data) for column in range(self.screen.columns)]
            while cells and cells[-1] == (Style(), " "):
                cells.pop()
            runs = itertools.groupby(cells, key=lambda cell: cell[0])
            rows.append([("".join(text for _, text in run), style) for style, run in runs])
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def shows(self, text):
        return any(text in line for line in self.screen.display)

    def frame_at_progress(self, part):
        """What was shown when a bar said that so large a part was done."""
        for rows in self.frames:
            shown = "".join(text for row in rows for text, _ in row)
            done = re.findall(r"(\d+)/(\d+) done", shown)
            if done and int(done[-1][0]) >= part * int(done[-1][1]):
                return rows
        shown = "\n".join(self.screen.display).rstrip()
        raise ValueError(f"no bar has shown that; at the end there was:\n{shown}")


def style(char):
    def colour(name):
        name = NAMES.get(name, name)
        if name and re.fullmatch("[0-9a-f]{6}", name):
            return f"#{name}"
        return name.replace("bright", "bright_").replace("__", "_") if name else None

    return Style(
        color=colour(char.fg), bgcolor=colour(char.bg), bold=char.bold or None, reverse=char.reverse or None
    )


def picture(title, columns, *frames):
    """An SVG of terminal windows, one below the other."""
    windows, top = [], 0
    for number, rows in enumerate(frames):
        console = Console(record=True, width=columns, file=open(os.devnull, "w"), color_system="truecolor", force_terminal=True)
        for row in rows:
            console.print(Line(row), end="", soft_wrap=True, crop=False)
        svg = console.export_svg(title=title, theme=THEME, code_format=FORMAT, unique_id=f"w{number}")
        # bars have no gaps, whatever the reader's font, and nothing needs to be cut off
        svg = svg.replace(" textLength=", ' lengthAdjust="spacingAndGlyphs" textLength=')
        svg = re.sub(' clip-path="[^"]*"', "", svg)
        windows.append(svg.replace('y="TOP"', f'y="{top}"', 1))
        top += float(re.search(r'height="([\d.]+)"', svg)[1]) + 14
    width = re.search(r'width="([\d.]+)"', windows[0])[1]
    size = f'viewBox="0 0 {width} {top - 14:.1f}" xmlns="http://www.w3.org/2000/svg"'
    return f"<svg {size} role=\"img\" aria-label=\"{title}\">\n{''.join(windows)}</svg>\n"


class Line:
    """A line of a screen, for rich to print."""

    def __init__(self, row):
        self.row = row

    def __rich_console__(self, console, options):
        for text, style in self.row:
            yield Segment(text, style)
        yield Segment.line()
