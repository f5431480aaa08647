"""Each stranger is refused, at every route and websocket, and the person who belongs there is not."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from robot_il.console.access import Access, AccessMiddleware, access_for, is_local
from tests.console.asgi import TestClient

PORT = 8200
LOCAL = Access("127.0.0.1", PORT)
OPEN = Access("0.0.0.0", PORT, "a-token-of-this-test", frozenset({"localhost", "balancer", "balancer.local"}))
HERE, THERE = f"http://localhost:{PORT}", f"http://192.168.1.7:{PORT}"
SECOND = "/_nicegui_ws/socket.io"


def client(access: Access, url: str = HERE, **headers: str) -> TestClient:
    inner = FastAPI()

    @inner.websocket("/socket.io")
    async def second(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    app = FastAPI()
    app.websocket("/drive")(second)
    app.mount("/_nicegui_ws", inner)

    @app.get("/")
    def page() -> str:
        return "the page"

    @app.post("/estop")
    def estop() -> str:
        return "stopped"

    app.add_middleware(AccessMiddleware, access=access)
    return TestClient(app, base_url=url, headers=headers, follow_redirects=False)


def opens(caller: TestClient, path: str, origin: str | None) -> bool:
    headers = {} if origin is None else {"origin": origin}
    address = str(caller.base_url).replace("http", "ws", 1).rstrip("/") + path
    try:
        with caller.websocket_connect(address, headers=headers) as socket:
            return socket.receive_text() == "hello"
    except WebSocketDisconnect:
        return False


# names and addresses


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_this_machine_may_be_called_by_its_local_names(host: str) -> None:
    assert client(LOCAL, f"http://{host}:{PORT}").get("/").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8200", "localhost", "localhost:8201", "127.0.0.1.evil.example:8200", "192.168.1.7:8200",
             "localhost:8200@evil.example", "", "localhost:x", "[::1:8200"]
)  # fmt: skip
def test_another_name_or_port_in_host_is_refused(host: str) -> None:
    """As after DNS was made to point here: the name in the address is still the stranger's."""
    assert client(LOCAL).get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("path", ["/drive", SECOND])
def test_a_websocket_to_another_name_is_refused(path: str) -> None:
    caller = client(LOCAL, f"http://evil.example:{PORT}")
    assert not opens(caller, path, f"http://evil.example:{PORT}")


@pytest.mark.parametrize("host", ["192.168.1.7", "[fe80::1]", "balancer", "balancer.local", "localhost"])
def test_a_console_for_the_network_may_be_called_by_address_and_own_name(host: str) -> None:
    caller = client(OPEN, f"http://{host}:{PORT}")
    assert caller.get(f"/?token={OPEN.token}").status_code == 303


def test_a_console_for_the_network_refuses_foreign_names_even_with_the_token() -> None:
    caller = client(OPEN, f"http://evil.example:{PORT}")
    assert caller.get(f"/?token={OPEN.token}").status_code == 421


# origins


@pytest.mark.parametrize("path", ["/drive", SECOND])
def test_a_websocket_of_the_console_s_own_page_opens(path: str) -> None:
    assert opens(client(LOCAL), path, HERE)


@pytest.mark.parametrize("path", ["/drive", SECOND])
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", f"http://127.0.0.1:{PORT}", "null", "", None,
               f"{HERE}.evil.example", "file://", f"ftp://localhost:{PORT}"]
)  # fmt: skip
def test_a_websocket_of_another_origin_is_refused(path: str, origin: str | None) -> None:
    assert not opens(client(LOCAL), path, origin)


def test_a_request_of_another_origin_is_refused() -> None:
    assert client(LOCAL).post("/estop", headers={"origin": "http://evil.example"}).status_code == 403


def test_a_request_of_the_console_s_own_page_goes_on() -> None:
    assert client(LOCAL).post("/estop", headers={"origin": HERE, "sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("destination", ["iframe", "script", "image", "empty"])
def test_another_page_may_not_load_anything_of_the_console(site: str, destination: str) -> None:
    fetch = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": destination}
    assert client(LOCAL).get("/", headers=fetch).status_code == 403


def test_a_link_on_another_page_may_lead_here() -> None:
    fetch = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client(LOCAL).get("/", headers=fetch).status_code == 200


def test_a_form_on_another_page_may_not() -> None:
    fetch = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client(LOCAL).post("/estop", headers=fetch).status_code == 403


def test_another_page_may_not_frame_the_console() -> None:
    headers = client(LOCAL).get("/").headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"


# the token


def test_a_console_for_this_machine_alone_needs_no_token() -> None:
    assert access_for("127.0.0.1", PORT).token == ""
    assert access_for("localhost", PORT).token == ""
    assert access_for("::1", PORT).token == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "balancer"])
def test_a_console_for_the_network_has_a_new_long_token_each_time(host: str) -> None:
    first, second = access_for(host, PORT).token, access_for(host, PORT).token
    assert len(first) >= 43
    assert first != second
    assert not is_local(host)


@pytest.mark.parametrize("query", ["", "?token=", "?token=another", "?token=a-token-of-this-tes"])
def test_without_the_token_every_route_is_refused(query: str) -> None:
    caller = client(OPEN, THERE)
    assert caller.get(f"/{query}").status_code == 401
    assert caller.post(f"/estop{query}").status_code == 401


@pytest.mark.parametrize("path", ["/drive", SECOND, f"/drive?token={OPEN.token}"])
def test_without_the_cookie_every_websocket_is_refused(path: str) -> None:
    assert not opens(client(OPEN, THERE), path, THERE)


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    answer = client(OPEN, THERE).get(f"/?token={OPEN.token}&tab=Learn")
    assert answer.headers["location"] == "/?tab=Learn"
    assert all(word in answer.headers["set-cookie"] for word in (OPEN.cookie, "HttpOnly", "SameSite=Lax", "Path=/"))


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%5Cevil.example"])
def test_the_way_back_never_leads_to_another_host(path: str) -> None:
    answer = client(OPEN, THERE).get(f"{THERE}{path}?token={OPEN.token}")
    target = answer.headers["location"]
    assert urlsplit(target).netloc == ""
    assert "\\" not in target


def test_with_the_cookie_routes_and_websockets_open() -> None:
    caller = client(OPEN, THERE, cookie=f"{OPEN.cookie}={OPEN.token}")
    assert caller.get("/").status_code == 200
    assert opens(caller, "/drive", THERE)
    assert opens(caller, SECOND, THERE)


@pytest.mark.parametrize("cookie", ["robot_il_8200=another", "robot_il_8201=a-token-of-this-test", ";;;", "=\x7f"])
def test_another_cookie_opens_nothing(cookie: str) -> None:
    caller = client(OPEN, THERE, cookie=cookie)
    assert caller.get("/").status_code == 401
    assert not opens(caller, "/drive", THERE)


def test_the_cookie_does_not_help_a_page_of_another_origin() -> None:
    caller = client(OPEN, THERE, cookie=f"{OPEN.cookie}={OPEN.token}")
    assert not opens(caller, "/drive", "http://evil.example")
    assert caller.post("/estop", headers={"origin": "http://evil.example"}).status_code == 403


def test_a_token_with_other_than_latin_letters_is_only_wrong() -> None:
    assert client(OPEN, THERE).get("/?token=%C3%A4%E2%82%AC").status_code == 401


def test_a_refusal_says_what_to_do_and_never_the_token() -> None:
    answer = client(OPEN, THERE).get("/")
    assert "open the address that it printed" in answer.text
    assert OPEN.token not in answer.text + str(answer.headers)


def test_the_address_that_is_printed_has_the_token_where_one_is_needed() -> None:
    assert LOCAL.url == f"http://localhost:{PORT}/"
    assert Access("192.168.1.7", PORT, "t").url == f"http://192.168.1.7:{PORT}/?token=t"
    assert Access("fe80::1", PORT, "t").url == f"http://[fe80::1]:{PORT}/?token=t"
