"""What a run does, as it does it, over a WebSocket; a lost connection is taken up again where it broke off.

Start LACE with `make up`, which prints its URL and a token. Then, with the package websockets, and the id of a run:

    export LACE_URL=http://127.0.0.1:8080 LACE_TOKEN=...
    .venv/bin/python examples/clients/follow_with_websocket.py run_...
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect

# This program knows version 2 of the event schema, and asks for it: a newer server then tells it in that.
SCHEMA_VERSION = 2


def events(url: str, token: str, run_id: str) -> Iterator[dict[str, Any]]:
    """A run's events to its end, each once and in order."""
    address = f"{url.replace('http', 'ws', 1)}/v1/runs/{run_id}/stream?schema_version={SCHEMA_VERSION}"
    last = ""
    while True:
        headers = {"authorization": f"Bearer {token}", "last-event-id": last}
        try:
            with connect(address, additional_headers=headers, proxy=None) as socket:
                while True:
                    message = json.loads(socket.recv())
                    if message["event"] != "heartbeat":
                        last = message["id"]
                        yield message["data"]
        except ConnectionClosedOK:
            return  # code 1000: that was the run's last event
        except InvalidStatus as refused:
            raise SystemExit((refused.response.body or b"").decode()) from None
        except (ConnectionClosed, OSError) as lost:
            if getattr(getattr(lost, "rcvd", None), "code", 0) == 1008:
                raise SystemExit(f"The token is not good any more: {lost}") from None
            time.sleep(1)


def main(run_id: str) -> None:
    """A line for each event; of a step that is done, what came of it."""
    for event in events(os.environ["LACE_URL"], os.environ["LACE_TOKEN"], run_id):
        [said] = event["payload"].values()
        remark = said.get("summary") or said.get("message") or ""
        print(f"{event['sequence']:4}  {event['progress_pct']:5.1f} %  {event['event_type']}  {remark}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
