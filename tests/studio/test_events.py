import asyncio
import json

from persam_video.studio.events import events
from persam_video.studio.studio import OpenSession


def parse(text):
    name, data = text.rstrip("\n").split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_pages_get_the_latest_of_what_changed(session, squares):
    opened = OpenSession("id", session)

    async def look():
        streams = [events(opened), events(opened)]
        seen = [parse(await anext(stream)) for stream in streams]
        session.box(0, 1, squares.boxes[0][1])
        await asyncio.to_thread(list, session.propagate(0, 4))
        for stream in streams:
            got = dict([parse(await anext(stream)), parse(await anext(stream))])
            seen.append(("masks", got["masks"]))
            assert got["state"]["tracked"] == [[0, 4]]
            await stream.aclose()
        return seen

    first, second, *masks = asyncio.run(look())
    for _, state in (first, second):
        state.pop("moment")  # each says when it was read
    assert first == second
    assert first[0] == "state"
    # five frames were tracked before anyone looked: only the last is told, to everyone
    assert [data["frame"] for _, data in masks] == [4, 4]
    assert session._listeners == []
