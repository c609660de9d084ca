"""Drives an avatar of a served world after another: `python drive.py ADDRESS [SECONDS]`."""
# /// script
# requires-python = ">=3.10"
# dependencies = ["websockets>=15"]
# ///

import json
import math
import sys
import time
import urllib.request
from http.cookiejar import CookieJar

from websockets.sync.client import connect

address, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
jar = CookieJar()  # The token in the address is good once: it is exchanged for a cookie.
urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(address).close()
cookie = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in jar)}
place = address.partition("/?")[0].replace("http", "ws", 1) + "/socket"
board, number, until = {}, 0, time.monotonic() + seconds
with connect(place, subprotocols=["als.v1.json"], additional_headers=cookie) as socket:

    def send(kind, **fields):
        global number
        number += 1  # Every message has a higher number than the last one.
        socket.send(json.dumps({"n": number, "type": kind, **fields}))

    send("join", avatar=0, name="drive.py")
    while time.monotonic() < until:
        board |= json.loads(socket.recv()).get("values", {})
        own, other = board.get("pose.avatar0"), board.get("pose.avatar1")
        if own and other:
            send("drive", forward=1.0, face=math.atan2(other[1] - own[1], other[0] - own[0]))
    print(f"return {board['score.0']['return']}, {board['metrics']}")
