"""What an attacker sends, byte by byte."""

import datetime
import hashlib
import http.client
import json
import socket
import ssl
import time
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from fleet import REGION

JSON = "application/x-amz-json-1.1"


@pytest.fixture(params=["plain", "tls"])
def wire(fleet, request):
    return Wire(fleet, tls=request.param == "tls")


class Wire:
    def __init__(self, fleet, tls):
        self.fleet, self.tls = fleet, tls
        self.address = fleet.address if tls else fleet.plain

    def signed(self, operation, body, secret=None, headers=None, skew=0):
        """The headers of a request as botocore signs it."""
        scheme = "https" if self.tls else "http"
        headers = {"X-Amz-Target": f"AmazonSSM.{operation}", "Content-Type": JSON, **(headers or {})}
        request = botocore.awsrequest.AWSRequest("POST", f"{scheme}://{self.address}/", headers=headers, data=body)
        credentials = botocore.credentials.Credentials(self.fleet.key, secret or self.fleet.secret)
        moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: moment):
            botocore.auth.SigV4Auth(credentials, "ssm", REGION).add_auth(request)
        return dict(request.headers.items())

    def connect(self):
        host, port = self.address.split(":")
        if not self.tls:
            return http.client.HTTPConnection(host, int(port), timeout=30)
        context = ssl.create_default_context(cafile=str(self.fleet.authority))
        return http.client.HTTPSConnection(host, int(port), timeout=30, context=context)

    def send(self, headers, body, method="POST", path="/", connection=None):
        connection = connection or self.connect()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, (json.loads(content) if content.startswith(b"{") else content)

    def raw(self, text):
        """Sends bytes as they are, and gives the first line and the body of what comes back."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as tcp:
            stream = tcp
            if self.tls:
                context = ssl.create_default_context(cafile=str(self.fleet.authority))
                stream = context.wrap_socket(tcp, server_hostname=host)
            stream.sendall(text)
            received = b""
            while b"\r\n\r\n" not in received or not received.endswith((b"}", b"\r\n\r\n")):
                piece = stream.recv(65536)
                if not piece:
                    break
                received += piece
        return received


def name(answer):
    return answer[1]["__type"]


def test_a_good_request_is_answered(wire):
    body = b'{"Name": "/wire/none"}'
    assert name(wire.send(wire.signed("GetParameter", body), body)) == "ParameterNotFound"
    body = b"{}"
    status, answer = wire.send(wire.signed("DescribeActivations", body), body)
    assert status == 200 and "ActivationList" in answer


def test_who_signs_wrongly_learns_nothing(wire):
    body = b'{"Name": "/wire/none"}'
    good = wire.signed("GetParameter", body)
    refused = lambda headers, content=body: name(wire.send(headers, content))
    unsigned = {key: value for key, value in good.items() if key != "Authorization"}
    assert refused(unsigned) == "MissingAuthenticationTokenException"
    assert refused(wire.signed("GetParameter", body, secret="x" * 40)) == "InvalidSignatureException"
    assert refused(good, b'{"Name": "/wire/nine"}') == "InvalidSignatureException"
    assert refused({**good, "X-Amz-Target": "AmazonSSM.DeleteParameter"}) == "InvalidSignatureException"
    assert refused({**good, "X-Amz-Date": "20200101T000000Z"}) == "InvalidSignatureException"
    assert refused({**good, "X-Amz-Extra": "x"}) == "IncompleteSignatureException"
    assert refused({**good, "Authorization": "AWS4-HMAC-SHA256 x"}) == "IncompleteSignatureException"
    other = good["Authorization"].replace(wire.fleet.key, "AKIAABCDEFGHIJKLMNOP")
    assert refused({**good, "Authorization": other}) == "UnrecognizedClientException"
    other = good["Authorization"].replace("/ssm/", "/s3/")
    assert refused({**good, "Authorization": other}) == "InvalidSignatureException"


@pytest.mark.parametrize("skew, allowed", [(-240, True), (240, True), (-360, False), (360, False)])
def test_clocks_may_be_five_minutes_apart(wire, skew, allowed):
    body = b"{}"
    answer = wire.send(wire.signed("DescribeActivations", body, skew=skew), body)
    assert (answer[0] == 200) == allowed, answer
    if not allowed:
        assert name(answer) == "InvalidSignatureException"


def test_a_recorded_change_is_not_done_again(wire):
    body = json.dumps({"Name": f"/wire/replay-{wire.tls}", "Value": "x", "Type": "String", "Overwrite": True}).encode()
    headers = wire.signed("PutParameter", body)
    assert wire.send(headers, body) == (200, {"Version": 1, "Tier": "Standard"})
    assert name(wire.send(headers, body)) == "InvalidSignatureException"
    again = wire.signed("PutParameter", body, headers={"X-Amz-User-Agent": "again"})
    assert wire.send(again, body)[1]["Version"] == 2
    # Nor on the connection on which it was done.
    connection = wire.connect()
    own = wire.signed("PutParameter", body, headers={"X-Amz-User-Agent": "own"})
    assert wire.send(own, body, connection=connection)[1]["Version"] == 3
    assert name(wire.send(own, body, connection=connection)) == "InvalidSignatureException"
    # Two equal calls of one second have one signature. SDKs say which call it is, and so both are done; what was
    # recorded says it too, and is not done again.
    calls = wire.signed("PutParameter", body, headers={"X-Amz-User-Agent": "calls"})
    once, twice = ({**calls, "amz-sdk-invocation-id": call} for call in ("one", "two"))
    assert [wire.send(call, body)[1]["Version"] for call in (once, twice)] == [4, 5]
    for replayed in (once, twice, calls):
        assert name(wire.send(replayed, body)) == "InvalidSignatureException"
    time.sleep(3.1)
    late = {**calls, "amz-sdk-invocation-id": "three"}
    assert name(wire.send(late, body)) == "InvalidSignatureException"


def test_bodies_have_bounds(wire):
    try:
        body = b'{"Name": "' + b"x" * (1 << 20) + b'"}'
        assert name(wire.send(wire.signed("GetParameter", body), body)) == "RequestEntityTooLargeException"
    except (ConnectionError, ssl.SSLError):
        pass  # It is not read to its end, so the answer may meet a client that is still writing.
    for body, refusal in [
        (b"[" * 100_000 + b"]" * 100_000, "SerializationException"),
        (b'{"Name": ' * 5_000 + b"1" + b"}" * 5_000, "SerializationException"),
        (b'{"Name": "\xff"}', "SerializationException"),
        (b"{", "SerializationException"),
        (b'"x"', "SerializationException"),
        (b'{"Name": 1}', "SerializationException"),
        (b'{"Name": {"Name": "x"}}', "SerializationException"),
    ]:
        assert name(wire.send(wire.signed("GetParameter", body), body)) == refusal, body[:40]


def test_there_is_one_form_of_a_request(wire):
    body = b"{}"
    headers = wire.signed("DescribeActivations", body)
    status, answer = wire.send(headers, body, path="/?X-Amz-Signature=x")
    assert (status, answer["__type"]) == (400, "MalformedHttpRequestException")
    assert wire.send(headers, body, method="GET")[0] in (400, 405)
    assert b"ActivationList" not in str(wire.send(headers, body, path="/other")).encode()
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    for extra in [
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nX-Amz-Target: AmazonSSM.DeleteActivation\r\n",
        "Content-Length: 2\r\nHost: elsewhere\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nTransfer-Encoding : chunked\r\n",
    ]:
        text = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\n{lines}{extra}\r\n".encode()
        received = wire.raw(text + (b"2\r\n{}\r\n0\r\n\r\n" if "chunked" in extra else b"{}"))
        assert received.startswith(b"HTTP/1.1 400"), (extra, received[:300])
        assert b"ActivationList" not in received


def test_names_are_no_paths(wire):
    for bad in ["/../etc/passwd", "/a/../b", "/a//b", "/a/%2e%2e/b", "/a\u0000b", "/a\nb", "/", "//", ".."]:
        body = json.dumps({"Name": bad, "Value": "x", "Type": "String", "Overwrite": True}).encode()
        status, answer = wire.send(wire.signed("PutParameter", body), body)
        if status == 200:
            # A dot is a letter of names: what it is put under is what it says, and nothing else.
            body = json.dumps({"Name": bad}).encode()
            assert wire.send(wire.signed("GetParameter", body), body)[1]["Parameter"]["Name"] == bad
        else:
            assert answer["__type"] == "ValidationException", bad


def test_operations_that_are_not_here_say_so(wire):
    body = b"{}"
    assert name(wire.send(wire.signed("FlyToTheMoon", body), body)) == "UnknownOperationException"
    assert name(wire.send(wire.signed("GetOpsSummary", body), body)) == "UnsupportedOperationException"
    assert name(wire.send(wire.signed("CreateOpsItem", body), body)) == "UnsupportedOperationException"


def test_an_answer_says_nothing_of_the_secret(wire):
    body = b"{}"
    answers = [wire.send(wire.signed("GetParameter", body, secret="y" * 40), body)]
    answers.append(wire.send({**wire.signed("GetParameter", body), "X-Amz-Date": "x"}, body))
    log = (wire.fleet.folder / "controller.log").read_text()
    for text in [*map(str, answers), log]:
        assert wire.fleet.secret not in text
        assert hashlib.sha256(wire.fleet.secret.encode()).hexdigest() not in text
