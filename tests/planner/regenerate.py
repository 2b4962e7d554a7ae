"""Writes the expected plan text of every case anew: `python -m tests.planner.regenerate`.

Read the difference before committing: the text is what users are promised.
"""

from pathlib import Path

from tests.planner.case import plan_text, read_case

CASES = Path(__file__).parent / "cases"

if __name__ == "__main__":
    for path in sorted(CASES.glob("*.yaml")):
        body = path.read_text().split("\nplan: |\n")[0].rstrip()
        text = "".join(f"  {line}\n" if line else "\n" for line in plan_text(read_case(path)).splitlines())
        path.write_text(f"{body}\nplan: |\n{text}")
