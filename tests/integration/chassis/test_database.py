"""How long a statement may take."""

import pytest

from chassis.database import Database

LONG = "SELECT pg_sleep(0.5)"


async def test_a_statement_is_given_up_after_the_time_that_the_caller_gives_it(database_url: str) -> None:
    connect = Database.connect
    impatient = await connect(database_url, schema="public", process="test", command_seconds=0.05)
    with pytest.raises(TimeoutError):
        await impatient.pool.execute(LONG)
    await impatient.close()
    patient = await connect(database_url, schema="public", process="test", command_seconds=60.0)
    await patient.pool.execute(LONG)
    await patient.close()
