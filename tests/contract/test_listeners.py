"""Every built-in listener keeps its contract."""

import io

from aidn_pipeline.cli.lines import Lines
from aidn_pipeline.cli.live import LiveTable
from aidn_pipeline.testing.listener import ListenerSuite


class TestLines(ListenerSuite):
    make = staticmethod(lambda: Lines(io.StringIO()))


class TestLiveTable(ListenerSuite):
    make = staticmethod(lambda: LiveTable(io.StringIO()))
