"""What an attacker tries beyond a wrong signature: two readings of one request, names that are not what they look like,
clients that another client's request is slipped to."""

import json
import socket
import ssl

import boto3
import h2.config
import h2.connection
import h2.events
import pytest

from test_wire import JSON, Wire, name

LOOK = b'{"Name": "/attack/none"}'


@pytest.fixture(params=["plain", "tls"])
def wire(fleet, request):
    return Wire(fleet, tls=request.param == "tls")


def lines(headers):
    return "".join(f"{key}: {value}\r\n" for key, value in headers.items())


def activations(wire):
    body = b"{}"
    _, answer = wire.send(wire.signed("DescribeActivations", body), body)
    return len(answer["ActivationList"])


@pytest.mark.parametrize(
    "length",
    ["+2", "-2", "0x2", "2, 2", "2,3", "2 2", "", "99999999999999999999", "1_0"],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused(wire, length):
    """What follows the body would be the next request of somebody else behind a proxy."""
    before = activations(wire)
    hidden_body = json.dumps({"IamRole": "x"}).encode()
    hidden = lines(wire.signed("CreateActivation", hidden_body))
    hidden = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n{hidden}Content-Length: {len(hidden_body)}\r\n\r\n".encode()
    headers = lines(wire.signed("DescribeActivations", b"{}"))
    text = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n{headers}Content-Length: {length}\r\n\r\n".encode()
    received = wire.raw(text + b"{}" + hidden + hidden_body)
    assert received.startswith(b"HTTP/1.1 4"), received[:200]
    assert received.count(b"HTTP/1.1 ") == 1 and b"ActivationId" not in received
    assert activations(wire) == before


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "chunked, identity", "identity", "xchunked", "gzip, chunked"])
def test_a_body_in_chunks_is_refused_and_what_follows_it_is_not_done(wire, coding):
    before = activations(wire)
    hidden_body = json.dumps({"IamRole": "x"}).encode()
    hidden = lines(wire.signed("CreateActivation", hidden_body))
    hidden = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n{hidden}Content-Length: {len(hidden_body)}\r\n\r\n".encode()
    headers = lines(wire.signed("DescribeActivations", b"{}"))
    for length in ["", "Content-Length: 2\r\n"]:
        text = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n{headers}{length}Transfer-Encoding: {coding}\r\n\r\n"
        received = wire.raw(text.encode() + b"0\r\n\r\n" + hidden + hidden_body)
        assert received.startswith(b"HTTP/1.1 4"), received[:200]
        assert b"ActivationId" not in received
    assert activations(wire) == before


def test_lines_and_names_of_headers_are_read_strictly(wire):
    headers = lines(wire.signed("GetParameter", LOOK)) + f"Content-Length: {len(LOOK)}\r\n"
    start = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n"
    for text in [
        start + headers + " folded: x\r\n\r\n",
        start + headers + "X-Amz\x00-A: x\r\n\r\n",
        start + headers + "X-A: a\x00b\r\n\r\n",
        start + headers + "No colon here\r\n\r\n",
        start.replace("HTTP/1.1", "HTTP/9.9") + headers + "\r\n",
        start.replace("POST /", "POST  /") + headers + "\r\n",
        start.replace("POST /", "POST //") + headers + "\r\n",
        start.replace("POST /", "POST /%2e") + headers + "\r\n",
        start.replace("POST /", "POST /./") + headers + "\r\n",
        start + headers + "".join(f"X-{n}: x\r\n" for n in range(2_000)) + "\r\n",
        start + headers + "X-Long: " + "x" * (1 << 20) + "\r\n\r\n",
    ]:
        try:
            received = wire.raw(text.encode() + LOOK)
        except (ConnectionError, ssl.SSLError):
            continue
        assert b"ParameterNotFound" not in received and b"x-amzn-requestid" not in received or b" 400 " in received


def test_the_host_is_the_one_that_was_signed(wire):
    headers = lines(wire.signed("GetParameter", LOOK)) + f"Content-Length: {len(LOOK)}\r\n\r\n"
    scheme = "https" if wire.tls else "http"
    for target, host, answer in [
        ("/", wire.address, b"ParameterNotFound"),
        (f"{scheme}://{wire.address}/", wire.address, b"ParameterNotFound"),
        ("/", "elsewhere", b"InvalidSignatureException"),
        (f"{scheme}://elsewhere/", wire.address, b"MalformedHttpRequestException"),
        (f"{scheme}://elsewhere/", "elsewhere", b"InvalidSignatureException"),
    ]:
        received = wire.raw(f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{headers}".encode() + LOOK)
        assert answer in received, (target, host, received)


class Http2:
    """One connection with HTTP/2, that sends what it is told."""

    def __init__(self, wire):
        host, port = wire.address.split(":")
        context = ssl.create_default_context(cafile=str(wire.fleet.authority))
        context.set_alpn_protocols(["h2"])
        tcp = socket.create_connection((host, int(port)), timeout=30)
        self.stream = context.wrap_socket(tcp, server_hostname=host)
        assert self.stream.selected_alpn_protocol() == "h2"
        settings = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.connection = h2.connection.H2Connection(settings)
        self.connection.initiate_connection()

    def ask(self, headers, body):
        """Status and body; None when the stream or the connection was ended instead."""
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, headers)
        self.connection.send_data(stream, body, end_stream=True)
        self.stream.sendall(self.connection.data_to_send())
        status, received = None, b""
        while True:
            data = self.stream.recv(65536)
            if not data:
                return None
            for event in self.connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    received += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    return status, received
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    return None
            self.stream.sendall(self.connection.data_to_send())


def test_http2_says_everything_once(fleet):
    wire = Wire(fleet, tls=True)
    signed = [(key.lower(), value) for key, value in wire.signed("GetParameter", LOOK).items()]
    start = [(":method", "POST"), (":scheme", "https"), (":authority", wire.address), (":path", "/")]
    length = [("content-length", str(len(LOOK)))]
    ask = lambda headers, body=LOOK: Http2(wire).ask(headers, body)
    assert b"ParameterNotFound" in ask(start + signed + length)[1]
    assert b"ParameterNotFound" in ask(start + [("host", wire.address)] + signed + length)[1]
    other = [(key, "elsewhere" if key == ":authority" else value) for key, value in start]
    query = [(key, "/?x=y" if key == ":path" else value) for key, value in start]
    for headers in [
        other + signed + length,
        other + [("host", wire.address)] + signed + length,
        start + [("host", "elsewhere")] + signed + length,
        start + [(":authority", "elsewhere")] + signed + length,
        start + [(":path", "/other")] + signed + length,
        query + signed + length,
        start + signed + [("x-amz-target", "AmazonSSM.DeleteParameter")] + length,
        start + signed + [("content-length", "1")],
        start + signed + length + [("transfer-encoding", "chunked")],
        start + signed + length + [("connection", "x-amz-target")],
        start + signed + length + [("X-Amz-Upper", "x")],
        start + signed + length + [("x-amz-unsigned", "x")],
        start + signed + length + [(":method", "GET")],
        start[1:] + signed + length,
        start[:3] + signed + length,
    ]:
        answered = ask(headers)
        assert answered is None or answered[0].startswith("4"), (headers, answered)
        assert answered is None or b"ParameterNotFound" not in answered[1], headers


SLASHES = ["\uff0f", "\u2215", "\u2044", "\\", "%2f", "%2F", "%252f", "\u0000"]
DOTS = ["/a/../b", "/a/./b", "/../a", "/a/..", "..", "/a/%2e%2e/b", "/a/..;/b"]
ALIKE = ["/\u0430pp/db", "/app/d\u200bb", "/\u202eapp", "/app/db\u00a0", "/app/ｄb", "/ａpp", "/app/db\u0301"]


@pytest.mark.parametrize("bad", [f"/app{slash}db" for slash in SLASHES] + DOTS + ALIKE + ["/app//db", "//app", "/app/db/"])
def test_a_name_is_what_it_looks_like(fleet, ssm, bad):
    """It is refused, or it is kept under exactly that name and found under no other."""
    client = ssm
    client.put_parameter(Name="/app/db", Value="the real one", Type="String", Overwrite=True)
    try:
        client.put_parameter(Name=bad, Value="another", Type="String", Overwrite=True)
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException", (bad, error)
    else:
        assert bad in DOTS, bad
        assert client.get_parameter(Name=bad)["Parameter"]["Name"] == bad
        client.delete_parameter(Name=bad)
    assert client.get_parameter(Name="/app/db")["Parameter"]["Value"] == "the real one"


@pytest.mark.parametrize("length", [1012, 2048, 2049, 100_000])
def test_long_names_are_refused_in_few_words(ssm, length):
    for operation in ["put_parameter", "get_parameter", "get_parameters_by_path", "delete_parameter"]:
        argument = {"Path" if operation == "get_parameters_by_path" else "Name": "/" + "n" * (length - 1)}
        more = {"Value": "x", "Type": "String"} if operation == "put_parameter" else {}
        try:
            answer = getattr(ssm, operation)(**argument, **more)
        except ssm.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("ValidationException", "ParameterNotFound"), error
            assert len(error.response["Error"]["Message"]) < 3 * 2048
        else:
            assert operation == "get_parameters_by_path" and answer["Parameters"] == []


def test_bodies_of_every_shape_are_bounded(wire):
    shapes = [
        b'{"Names": [' + b'"x",' * 100_000 + b'"x"]}',
        b'{"Names": ' + b"[" * 120 + b"]" * 120 + b"}",
        b"{" + b",".join(b'"k%d": 1' % number for number in range(50_000)) + b"}",
        b'{"Names": ["' + b"\\u0041" * 150_000 + b'"]}',
        b'{"Names": [1e999]}',
        b'{"Names": [' + b"9" * 100_000 + b"]}",
        b'{"Names": null, "Names": ["x"], "Names": "x"}',
        b'\xef\xbb\xbf{"Names": ["x"]}',
        b'{"Names": ["\\ud800"]}',
    ]
    for body in shapes:
        status, answer = wire.send(wire.signed("GetParameters", body), body)
        assert status == 400, (body[:60], status)
        assert answer["__type"] in ("ValidationException", "SerializationException"), answer
        assert len(answer["message"]) < 4_000


def test_who_may_read_one_path_reads_no_other(fleet, ssm):
    """Every way to name a parameter comes to the same question to the policies."""
    ssm.put_parameter(Name="/mine/a", Value="mine", Type="String", Overwrite=True)
    ssm.put_parameter(Name="/theirs/a", Value="theirs", Type="SecureString", Overwrite=True)
    ssm.put_parameter(Name="/mine/sealed", Value="hush", Type="SecureString", KeyId="alias/locked", Overwrite=True)
    fleet.types("access", "operator", "create", "mallory", "--group", "mine", "--out", str(fleet.folder / "mallory"))
    policy = fleet.folder / "mine.cedar"
    policy.write_text(
        'permit(principal in Group::"mine", action in [Action::"GetParameter", Action::"GetParameters", '
        'Action::"GetParametersByPath", Action::"GetParameterHistory", Action::"PutParameter"], '
        'resource in Path::"/mine");'
    )
    fleet.types("access", "policy", "put", "mine", str(policy))
    key = fleet.types("access", "key", "create", "--operator", "mallory", "-o", "json")
    credentials = {
        "aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"],
    }
    mallory = boto3.client("ssm", **{**fleet.boto3(), **credentials})
    assert mallory.get_parameter(Name="/mine/a")["Parameter"]["Value"] == "mine"
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter"
    for operation, arguments in [
        ("get_parameter", {"Name": "/theirs/a"}),
        ("get_parameter", {"Name": "/theirs/a:1"}),
        ("get_parameter", {"Name": "/theirs/a", "WithDecryption": True}),
        ("get_parameter", {"Name": f"{arn}/theirs/a"}),
        ("get_parameter", {"Name": "theirs/a"}),
        ("get_parameter", {"Name": "/mine/sealed", "WithDecryption": True}),
        ("get_parameter_history", {"Name": "/theirs/a"}),
        ("get_parameter_history", {"Name": "/mine/sealed", "WithDecryption": True}),
        ("get_parameters", {"Names": ["/mine/a", "/theirs/a"]}),
        ("get_parameters_by_path", {"Path": "/"}),
        ("get_parameters_by_path", {"Path": "/theirs"}),
        ("get_parameters_by_path", {"Path": "/theirs/", "Recursive": True}),
        ("get_parameters_by_path", {"Path": "/mine", "WithDecryption": True}),
        ("put_parameter", {"Name": "/theirs/b", "Value": "x", "Type": "String"}),
        ("put_parameter", {"Name": "/mine/b", "Value": "x", "Type": "SecureString", "KeyId": "alias/locked"}),
        ("delete_parameter", {"Name": "/mine/a"}),
        ("describe_parameters", {}),
    ]:
        with pytest.raises(mallory.exceptions.ClientError) as caught:
            getattr(mallory, operation)(**arguments)
        code = caught.value.response["Error"]["Code"]
        assert code in ("AccessDeniedException", "ValidationException"), (operation, arguments, code)
        assert "hush" not in str(caught.value) and "theirs" not in str(caught.value).replace("/theirs", "").replace("theirs/a", "")
    # Dots are letters of names: this one stands below what is his, and is not there.
    with pytest.raises(mallory.exceptions.ParameterNotFound):
        mallory.get_parameter(Name="/mine/../theirs/a")
    found = mallory.get_parameters_by_path(Path="/mine")["Parameters"]
    assert {one["Name"]: one["Value"] == "mine" for one in found} == {"/mine/a": True, "/mine/sealed": False}
    denied = fleet.types("audit", "list", "--who", "mallory", "--outcome", "denied", "-o", "json")
    assert any("alias/locked" in line["detail"] for line in denied), denied
    fleet.types("audit", "verify")


def test_reads_of_secrets_are_in_the_log_before_they_are_answered(fleet, ssm):
    ssm.put_parameter(Name="/logged/secret", Value="hush", Type="SecureString", Overwrite=True)
    ssm.put_parameter(Name="/logged/plain", Value="open", Type="String", Overwrite=True)
    ssm.get_parameter(Name="/logged/secret", WithDecryption=True)
    ssm.get_parameters_by_path(Path="/logged", WithDecryption=True)
    ssm.get_parameter(Name="/logged/plain", WithDecryption=True)
    ssm.get_parameter(Name="/logged/secret")
    log = fleet.types("audit", "list", "--on", "/logged/", "-o", "json")
    seen = [(line["action"], line["on"]) for line in log]
    assert seen.count(("PutParameter", "/logged/secret")) == 1 and seen.count(("PutParameter", "/logged/plain")) == 1
    assert ("GetParameter", "/logged/secret") in seen and ("GetParametersByPath", "/logged/secret") in seen
    assert [action for action, _ in seen].count("GetParameter") == 1, seen
