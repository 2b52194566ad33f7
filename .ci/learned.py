"""Fail unless the recognizer below a directory reached a word error rate under 10 %."""

import json
import sys
from pathlib import Path

(metrics,) = Path(sys.argv[1]).glob("deepspeech2_small-*/metrics.jsonl")
rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
rates = [r["validation"]["word_error_rate"] for r in rows if "validation" in r]
print(f"best word error rate {min(rates):.2%}")
assert min(rates) < 0.1
