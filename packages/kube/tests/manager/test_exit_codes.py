"""A process says by its exit code how it ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from moorage_testing.apiserver import ApiServer, serve

PROGRAM = """
import asyncio, os, signal, sys
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import CommonSettings

async def stop():
    await asyncio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

async def broken():
    raise ValueError("it broke")

def setup(manager):
    async def done():
        manager.stop()

    tasks = {"stop": stop, "broken": broken, "done": done}
    manager.run_while_leading("task", tasks[sys.argv[1]])

raw = {"kubeconfig": sys.argv[2], "metrics_port": 0, "metrics_host": "127.0.0.1"}
sys.exit(run(CommonSettings.model_validate(raw), setup))
"""


@pytest.mark.parametrize(("task", "code"), [("stop", 0), ("done", 0), ("broken", 1)])
async def test_stopped_or_done_it_ends_with_0_and_with_a_dead_task_with_1(
    task: str, code: int, write: Callable[..., Path]
) -> None:
    async with serve(ApiServer()) as server:
        # Kopf discovers the kinds; there are none.
        json = {"Content-Type": "application/json"}
        for path, body in (("/api", b'{"versions": []}'), ("/apis", b'{"groups": []}')):
            server.fail("GET", status=200, path=path, body=body, headers=json, times=100)
        kubeconfig = write(cluster={"server": server.url})
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, task, str(kubeconfig), stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == code, stderr.decode()
