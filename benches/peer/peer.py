"""Reads, scores and ranks a mongodump folder: python peer.py table|stream score|reports FOLDER [RESULTS.csv]

Prints its resource usage as JSON. With `reports` it also makes the v1 items. Writes the ranked results to RESULTS.csv,
outside of the measured time.
"""

import json
import sys
import time
from pathlib import Path

import bson
import pandas as pd

import cohort
import quiz as quizzes
import reports


def documents(path):
    return bson.decode_all(path.read_bytes())


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main(way, work, folder, file=None):
    wall, cpu = time.perf_counter(), time.process_time()
    folder = Path(folder)
    quiz = quizzes.read(documents(folder / "quizzes.bson")[0], documents(folder / "questions.bson"))
    frame, sections = cohort.ranked(folder / "sessions.bson", quiz, way)
    items = 0
    if work == "reports":
        items = sum(1 for _ in reports.items(quiz, frame, sections, f"Large_{quiz.id}"))
    used = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "peak": peak()}
    print(json.dumps(used | {"students": len(frame), "items": items}))
    if file:
        results = [section[["marks", "rank", "percentile"]].assign(section=section.attrs["name"]) for section in sections]
        pd.concat(results).to_csv(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
