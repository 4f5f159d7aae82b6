"""Holds what a controller answers against the service model that botocore ships."""

import json
import re

# Errors that any operation may answer: the model lists them for none.
FRAMEWORK = {
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MalformedHttpRequestException",
    "MissingAuthenticationTokenException",
    "RequestEntityTooLargeException",
    "SerializationException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "ValidationException",
}
# Where the service itself answers what its model does not say.
LOOSER_THAN_THE_MODEL = {
    "DocumentParameterType",  # the model knows two of the six types that documents have
    "StringDateTime",  # the pattern is of moments, and one member is a duration
}


def checked(client):
    client.meta.events.register("after-call.ssm.*", check)
    return client


def check(http_response, model, **_):
    raw = json.loads(http_response.content or b"{}")
    assert http_response.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert http_response.headers["x-amzn-RequestId"]
    if http_response.status_code >= 300:
        check_error(http_response, raw, model)
        return
    assert http_response.status_code == 200, http_response.status_code
    shape = model.output_shape
    if shape is None:
        assert raw == {}, raw
        return
    faults = list(violations(raw, shape, model.name))
    assert not faults, "\n".join(faults)


def check_error(http_response, raw, model):
    name = raw["__type"]
    assert name in FRAMEWORK | {shape.name for shape in model.error_shapes}, f"{model.name} does not answer {name}"
    assert http_response.headers["x-amzn-ErrorType"] == name
    assert raw["message"] == raw["Message"] and "code" not in raw
    assert 400 <= http_response.status_code < 500, http_response.status_code


def violations(value, shape, place):
    """What an answer says that its shape does not allow: members, types on the wire, words, patterns, bounds."""
    kind = shape.type_name
    if kind == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{place}: {name} is missing"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{place}: {name} is not in the model"
            elif member is None:
                yield f"{place}: {name} is null"
            else:
                yield from violations(member, shape.members[name], f"{place}.{name}")
    elif kind == "list":
        yield from bounds(len(value), shape, place)
        for item in value:
            yield from violations(item, shape.member, f"{place}[]")
    elif kind == "map":
        for item in value.values():
            yield from violations(item, shape.value, f"{place}{{}}")
    elif kind == "timestamp":
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{place}: {value!r} is not a number of seconds"
    elif kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{place}: {value!r} is not a whole number"
        else:
            yield from bounds(value, shape, place)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{place}: {value!r} is not true or false"
    elif kind == "string":
        yield from text_violations(value, shape, place)
    else:
        yield f"{place}: {kind} is not looked at"


def text_violations(value, shape, place):
    if not isinstance(value, str):
        yield f"{place}: {value!r} is not a text"
        return
    if shape.name in LOOSER_THAN_THE_MODEL:
        return
    yield from bounds(len(value), shape, place)
    words = shape.metadata.get("enum")
    if words and value not in words:
        yield f"{place}: {value!r} is none of {words}"
    pattern = shape.metadata.get("pattern")
    if pattern and r"\p{" not in pattern and not re.search(pattern, value):
        yield f"{place}: {value!r} does not match {pattern}"


def bounds(size, shape, place):
    if size > shape.metadata.get("max", size):
        yield f"{place}: {size} is more than {shape.metadata['max']}"
    # What is counted may well be nothing yet, whatever the model's smallest number is.
    if size < shape.metadata.get("min", size) and size != 0:
        yield f"{place}: {size} is less than {shape.metadata['min']}"
