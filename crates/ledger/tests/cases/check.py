"""Recomputes each `nano` of the cases from its `sum`, in exact decimals and without any code of the product.

Usage: python3 check.py [--write]. With --write, wrong figures are replaced.
"""
import pathlib
import re
import sys
from decimal import ROUND_HALF_UP, Decimal


def nano(expression: str) -> int:
    """`tokens x dollars-per-million` or `uses x dollars-per-thousand /1000`, joined by ` + `; each rounded half up."""
    total = 0
    for term in expression.split(" + "):
        lot = 1_000 if term.endswith(" /1000") else 1_000_000
        count, dollars = term.removesuffix(" /1000").split(" x ")
        exact = Decimal(count) * Decimal(dollars) * 10**9 / lot
        total += int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    return total


def main() -> int:
    wrong = checked = 0
    for path in sorted(pathlib.Path(__file__).parent.glob("*.yaml")):
        text = path.read_text()

        def replace(found: re.Match) -> str:
            nonlocal wrong, checked
            checked += 1
            right = nano(found[2])
            if right != int(found[4]):
                wrong += 1
                print(f"{path.name}: {found[2]} is {right}, not {found[4]}")
            return f"{found[1]}{found[2]}{found[3]}{right}"

        fixed = re.sub(r'(  sum: ")([^"]*)("\n  nano: )(\d+)', replace, text)
        if "--write" in sys.argv[1:] and fixed != text:
            path.write_text(fixed)
    print(f"{checked} sums, {wrong} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
