"""bm25s with its own stemmer, as a program of its own: texts and questions in as JSON, the order of texts out."""

import json
import sys

import bm25s  # type: ignore[import-not-found]
import Stemmer  # type: ignore[import-not-found]


def main() -> None:
    """Ranks for every question."""
    asked = json.load(sys.stdin)
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize(asked["texts"], stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False
    )
    questions = bm25s.tokenize(asked["questions"], stopwords="en", stemmer=stemmer, show_progress=False)
    found, _ = index.retrieve(questions, k=asked["depth"], show_progress=False)
    json.dump([[int(at) for at in row] for row in found], sys.stdout)


main()
