"""`python -m chaos --seed 1 2 3 --minutes 3`: campaigns one after another; exit code 1 when a promise was broken.

`python -m chaos --mutant NAME --times 3`: the same code, broken on purpose; exit code 1 unless it was seen each time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace

from chaos import clocks, mutants, versions
from chaos.campaign import campaign
from chaos.machine import describe
from chaos.options import Options, parse
from chaos.report import add, explained, summary, table
from sandbox.stack.errors import StackError
from sandbox.stack.progress import Progress

ELSEWHERE = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "SLACK_API_URL", "TELEGRAM_API_URL", "FAULT_POINTS")
"""These would make the stack lean on servers that a campaign may not kill."""


async def run(options: Options) -> int:
    progress, failed = Progress(), False
    for possible, missing in (
        (clocks.breakable(options.groups, clocks.library()), clocks.MISSING),
        (versions.breakable(options.groups, options.beside), versions.MISSING),
    ):
        if possible != options.groups:
            progress.say(missing)
        options = replace(options, groups=tuple(one for one in options.groups if one in possible))
    for seed in options.seeds:
        done = await campaign(seed, options, progress)
        found = summary(done, options)
        for line in (*explained(done), *table(found)):
            progress.say(line)
        if options.results is not None:
            add(options.results, [found], describe())
        if options.proof:
            seen = mutants.seen(options.mutant, done.violations)
            progress.say(f"{options.mutant}, seed {seed}: {'seen' if seen else 'NOT SEEN'}")
            failed = failed or not seen
        else:
            failed = failed or bool(done.violations)
    return int(failed)


def main(arguments: list[str]) -> int:
    for name in ELSEWHERE:
        os.environ.pop(name, None)
    try:
        return asyncio.run(run(parse(arguments)))
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
