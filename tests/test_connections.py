"""Connections: certificates are verified, credentials go where they should, proxies work."""

from __future__ import annotations

import gzip
import select
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.catalog import selecting
from support.command import Run, run_tap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.proxy import Proxy

    from tap_procountor.sandbox import Sandbox

pytestmark = pytest.mark.slow


Config = dict[str, Any]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own certificates and proxies are not part of the tests."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Relay(ThreadingHTTPServer):
    """A server in front of the sandbox, or a proxy, that keeps what it was sent."""

    daemon_threads = True

    def __init__(self, origin: str, *, compresses: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = origin
        self.compresses = compresses
        self.seen: list[tuple[str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def do_GET(self) -> None:
        self._relay("GET", b"")

    def do_POST(self) -> None:
        self._relay("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def do_CONNECT(self) -> None:
        self.server.seen.append((self.path, self._headers(), b""))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as server:
            self.send_response(200)
            self.end_headers()
            others = {server: self.connection, self.connection: server}
            while True:
                for side in select.select(list(others), [], [])[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    others[side].sendall(data)

    def _headers(self) -> dict[str, str]:
        return {name.title(): text for name, text in self.headers.items()}

    def _relay(self, method: str, body: bytes) -> None:
        self.server.seen.append((self.path, self._headers(), body))
        # A proxy is sent whole URLs.
        url = self.path if "://" in self.path else f"{self.server.origin}{self.path}"
        names = ("Authorization", "Content-Type")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, data=body, headers=headers)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        if self.server.compresses:
            self._send_compressed(answer.content)
            return
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _send_compressed(self, content: bytes) -> None:
        """Send it as gateways do that compress on the way: without saying how long it is."""
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (gzip.compress(content), b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def relay(
    origin: str, context: ssl.SSLContext | None = None, *, compresses: bool = False
) -> Iterator[Relay]:
    with Relay(origin, compresses=compresses) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key in the same file."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sandbox"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(sandbox: Sandbox, certificate: Path) -> Iterator[Relay]:
    """The sandbox over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with relay(sandbox.url, context) as server:
        yield server


def over_tls(config: Config, server: Relay) -> Config:
    return config | {"api_url": f"https://127.0.0.1:{server.server_port}/latest/api"}


def last_line(run: Run) -> str:
    return run.log.splitlines()[-1]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""},
        {"PYTHONHTTPSVERIFY": "0", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
    ],
    ids=str,
)
def test_a_certificate_that_nobody_has_signed_is_refused(
    secure: Relay,
    config: Config,
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = run_tap(tmp_path, over_tls(config, secure), catalog=selecting("company"))
    assert run.exit_code == 1
    assert f"The certificate of 127.0.0.1:{secure.server_port} is not trusted" in last_line(run)
    assert "REQUESTS_CA_BUNDLE" in last_line(run)
    assert "Trying again" not in run.log
    assert not secure.seen


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_trusted(  # noqa: PLR0913, PLR0917 - fixtures
    secure: Relay,
    config: Config,
    tmp_path: Path,
    certificate: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, str(certificate / "cert.pem"))
    run = run_tap(tmp_path, over_tls(config, secure), catalog=selecting("company"))
    assert run.exit_code == 0, run.log
    assert run.records("company")


@pytest.mark.parametrize("value", ["false", "0", "/none/authority.pem"])
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_does_not_exist_is_refused(  # noqa: PLR0913, PLR0917 - fixtures
    secure: Relay,
    config: Config,
    tmp_path: Path,
    name: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    run = run_tap(tmp_path, over_tls(config, secure), "--test")
    assert run.exit_code == 1
    assert f"The variable {name} does not name a certificate file" in last_line(run)


def test_a_bundle_without_certificates_is_refused(
    secure: Relay, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "empty.pem"
    bundle.write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    run = run_tap(tmp_path, over_tls(config, secure), "--test")
    assert run.exit_code == 1
    assert "Traceback" not in run.log
    assert not secure.seen


@pytest.mark.parametrize("setting", ["verify", "verify_ssl", "insecure"])
def test_no_setting_turns_the_check_off(config: Config, tmp_path: Path, setting: str) -> None:
    run = run_tap(tmp_path, config | {setting: False})
    assert run.exit_code == 1
    assert f"Unknown setting '{setting}'" in last_line(run)


@pytest.mark.parametrize("name", ["api_url", "token_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://api.procountor.com/latest/api",
        "HTTP://8.8.8.8/latest/api",
        "http://localhost.example.com/",
    ],
)
def test_credentials_do_not_leave_the_network_in_clear_text(
    config: Config, tmp_path: Path, name: str, url: str
) -> None:
    run = run_tap(tmp_path, config | {name: url})
    assert run.exit_code == 1
    assert f"The setting '{name}' must begin with https://" in last_line(run)


@pytest.mark.parametrize(
    ("host", "is_warned"), [("sandbox", True), ("10.255.255.255", True), ("127.0.0.1", False)]
)
def test_credentials_in_clear_text_within_the_network_are_warned_of(
    config: Config, tmp_path: Path, host: str, *, is_warned: bool
) -> None:
    changes = {"api_url": f"http://{host}:9/latest/api", "request_timeout": 0.1}
    run = run_tap(tmp_path, config | changes, catalog=selecting("company"))
    assert run.exit_code == 1
    assert ("The connection is not encrypted" in run.log) is is_warned


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("path", ["/oauth/token", "/sessioninfo", "/invoices"])
def test_redirects_are_not_followed(
    sandbox: Sandbox, config: Config, tmp_path: Path, status: int, path: str
) -> None:
    with relay(sandbox.url) as elsewhere:
        # Another name of this machine: for a client, another host.
        location = f"http://localhost:{elsewhere.server_port}/latest/api{path}"
        headers = {"Location": location}
        sandbox.add_fault(path=path, status=status, headers=headers, times=None, body="{}")
        run = run_tap(tmp_path, config, catalog=selecting("invoices"))
        assert run.exit_code == 1
        assert "Traceback" not in run.log
        assert not elsewhere.seen


@pytest.mark.parametrize("location", ["http://[", "\u00ff\u00fe", "//", ""])
def test_redirects_to_nowhere(
    sandbox: Sandbox, config: Config, tmp_path: Path, location: str
) -> None:
    sandbox.add_fault(
        path="/sessioninfo", status=302, headers={"Location": location}, times=None, body="{}"
    )
    run = run_tap(tmp_path, config, "--test")
    assert run.exit_code == 1
    assert "redirects elsewhere" in last_line(run)


def test_netrc_does_not_take_the_place_of_the_token(
    sandbox: Sandbox, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with relay(sandbox.url) as server:
        config |= {"api_url": f"http://127.0.0.1:{server.server_port}/latest/api"}
        run = run_tap(tmp_path, config, catalog=selecting("company"))
        assert run.exit_code == 0, run.log
        (token,) = [headers for path, headers, _ in server.seen if "token" in path]
        others = [headers for path, headers, _ in server.seen if "token" not in path]
    assert "Authorization" not in token
    assert {headers["Authorization"][:7] for headers in others} == {"Bearer "}


def test_a_proxy_of_the_environment_is_used(
    sandbox: Sandbox, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with relay(sandbox.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:password@127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "")
        run = run_tap(tmp_path, config, catalog=selecting("company"))
        assert run.exit_code == 0, run.log
        assert len(proxy.seen) == len(sandbox.statistics().requests)
        assert all("Proxy-Authorization" in headers for _, headers, _ in proxy.seen)
        count = len(proxy.seen)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert run_tap(tmp_path, config, catalog=selecting("company")).exit_code == 0
        assert len(proxy.seen) == count


def test_a_proxy_tunnels_tls(  # noqa: PLR0913, PLR0917 - fixtures
    sandbox: Sandbox,
    secure: Relay,
    config: Config,
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with relay(sandbox.url) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:password@127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        run = run_tap(tmp_path, over_tls(config, secure), catalog=selecting("company"))
        assert run.exit_code == 0, run.log
        assert {path for path, _, _ in proxy.seen} == {f"127.0.0.1:{secure.server_port}"}
        # The password is for the proxy, the token for the API.
        assert all("Proxy-Authorization" in headers for _, headers, _ in proxy.seen)
        assert not any("Proxy-Authorization" in headers for _, headers, _ in secure.seen)
        assert not any("Authorization" in headers for _, headers, _ in proxy.seen)


#: What requests need; ``Host`` and the length of a body are made by the connection.
WRITTEN = {"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Host"}
WRITTEN |= {"Proxy-Authorization", "User-Agent"}


@pytest.mark.parametrize("way", ["directly", "proxy", "tunnel"])
def test_nothing_but_what_is_needed_is_written(  # noqa: PLR0913, PLR0917 - fixtures
    sandbox: Sandbox,
    secure: Relay,
    config: Config,
    tmp_path: Path,
    certificate: Path,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a request waits for travels with its headers, but not beyond this machine."""
    with relay(sandbox.url) as server:
        # For a tunnel the relay is the proxy, and the other one sees the requests.
        seen = secure.seen if way == "tunnel" else server.seen
        monkeypatch.setenv("NO_PROXY", "")
        if way == "directly":
            config |= {"api_url": f"http://127.0.0.1:{server.server_port}/latest/api"}
        else:
            name = "HTTPS_PROXY" if way == "tunnel" else "HTTP_PROXY"
            monkeypatch.setenv(name, f"http://user:password@127.0.0.1:{server.server_port}")
        if way == "tunnel":
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
            config = over_tls(config, secure)
        run = run_tap(tmp_path, config, catalog=selecting("company", "report_ledger_accounts"))
        assert run.exit_code == 0, run.log
    assert len(seen) > 3
    assert {name for _, headers, _ in seen for name in headers} <= WRITTEN
    assert not any("partial" in str(headers) for _, headers, _ in server.seen)


def test_no_cookie_is_kept(proxy: Proxy, tmp_path: Path) -> None:
    cookie = {"Set-Cookie": "session=of-another-company; Path=/"}
    proxy.after = lambda _, answer: answer._replace(headers=answer.headers | cookie)
    run = run_tap(tmp_path, proxy.config(), catalog=selecting("company", "fiscal_years"))
    assert run.exit_code == 0, run.log
    assert len(proxy.asked) > 3
    assert not any("Cookie" in question.headers for question in proxy.asked)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_named(
    config: Config, tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_CONNECT = do_GET  # noqa: N815 - names that the base class calls

    server = ThreadingHTTPServer(("127.0.0.1", 0), Closed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://127.0.0.1:{server.server_port}")
    run = run_tap(tmp_path, config | {"api_url": f"{scheme}://api.localhost/latest/api"})
    server.shutdown()
    server.server_close()
    assert run.exit_code == 1
    assert "The proxy requires a user" in last_line(run)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[", "http://:8080"])
def test_a_proxy_that_cannot_be_used(
    config: Config, tmp_path: Path, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    run = run_tap(tmp_path, config, "--test")
    assert run.exit_code == 1
    assert "The proxy's address is invalid" in last_line(run)
    assert proxy not in run.log


def test_answers_may_come_compressed(sandbox: Sandbox, config: Config, tmp_path: Path) -> None:
    with relay(sandbox.url, compresses=True) as gateway:
        changes = {
            "api_url": f"http://127.0.0.1:{gateway.server_port}/latest/api",
            "attachment_files_path": str(tmp_path / "files"),
        }
        catalog = selecting("invoices", "attachment_files")
        run = run_tap(tmp_path, config | changes, catalog=catalog)
    assert run.exit_code == 0, run.log
    company = sandbox.companies[0]
    assert len(run.records("invoices")) == len(company.truth("invoices"))
    files = run.records("attachment_files")
    assert files
    for row in files:
        content = company.books.files.content(row["attachment_id"])
        assert Path(row["location"]).read_bytes() == content
