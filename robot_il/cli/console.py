"""``robot-il console``: the operator's page."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot_il.spec import CONTROL_RATE_HZ, LOOP_RATES_HZ

LARGEST_MESSAGE_BYTES = 1_000_000
"""From a page, before it is looked at."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "console",
        help="open the operator's page: drive, record, label, learn, replay",
        description="Serves the operator's page on this machine: connect a robot or a twin, arm it, drive it with the "
        "joystick on the page, the keyboard or a pad, record and label episodes, make a data set, train, and run what "
        "came of it. Ctrl-C brings the robot to rest and ends it.",
    )
    parser.add_argument("--device", metavar="PORT", help="connect to this serial port at once")
    parser.add_argument("--twin", action="store_true", help="start a twin and connect to it at once")
    parser.add_argument(
        "--push", action="append", default=[], metavar="TIME:IMPULSE",
        help="somebody pushes the twin, in N s, TIME s after it is let go; repeatable",
    )  # fmt: skip
    parser.add_argument("--robot", default="reference", help="name or path of the robot profile (default reference)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of all that is made (default data)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on; any but 127.0.0.1 needs a token")
    parser.add_argument("--port", type=int, default=8200, help="port to serve on (default 8200)")
    parser.add_argument(
        "--rate", type=int, default=CONTROL_RATE_HZ, choices=LOOP_RATES_HZ, metavar="HZ",
        help="of the loop: 200, 500 or 1000 (default 200; datasets are made of recordings at 200)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    from nicegui import app, ui

    from robot_il.cli.stations import Stations
    from robot_il.console.access import access_for
    from robot_il.console.folders import Folders
    from robot_il.console.model import Station
    from robot_il.console.page import build_page
    from robot_il.errors import ConfigError
    from robot_il.recording.recovery import recover_folder

    if arguments.device and arguments.twin:
        raise ConfigError("--device or --twin", "both", "leave one out")
    folders = Folders(arguments.data)
    folders.make()
    for recovery in recover_folder(folders.sessions):
        print(recovery.line, flush=True)
    _check_address(arguments.host, arguments.port)
    access = access_for(arguments.host, arguments.port)
    with Stations(arguments.robot, arguments.rate, arguments.push) as stations:
        station = Station(stations.start, folders, arguments.robot)
        build_page(station, folders, access)

        @app.on_startup
        async def connect() -> None:
            if arguments.device or arguments.twin:
                await station.connect(arguments.device)

        async def end() -> None:
            await station.disconnect()
            stations.end()  # the server hands a signal on once it is done, and nothing after it may run

        app.on_shutdown(end)
        print(f"the console is at {access.url}", flush=True)
        ui.run(
            host=arguments.host,
            port=arguments.port,
            show=False,
            reload=False,
            show_welcome_message=False,
            ws_max_size=LARGEST_MESSAGE_BYTES,
        )
    return 0


def _check_address(host: str, port: int) -> None:
    """Makes sure, before its address is told to anybody, that the page can be served there.

    Raises:
        ConfigError: no port, no address of this machine, or one that is taken.
    """
    import socket

    from robot_il.errors import ConfigError

    if not 1 <= port <= 65535:
        raise ConfigError("a --port from 1 to 65535", f"{port}", "choose another, e.g. 8200")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will: a port just left is free
            trial.bind(address)
    except OSError as error:
        remedy = "choose another --host or --port; a console may be open already"
        raise ConfigError(f"an address of this machine that is free, not {host}:{port}", str(error), remedy) from error
