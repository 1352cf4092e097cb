"""Settings for all tests: one thread, no handlers or signals of others, tests marked gpu only where there is one."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest

# Before torch is imported anywhere: results depend on the number of threads, and tests may run side by side.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# For the commands that tests start; their stores are thrown away.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DVC_NO_ANALYTICS", "true")


# A shell makes what it runs in the background deaf to Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_log_handlers() -> Iterator[None]:
    """Take away what commands run in this process have added to the package's logger: its streams are closed by now."""
    logger = logging.getLogger("vlac")
    logger.handlers.clear()
    yield
    logger.handlers.clear()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
