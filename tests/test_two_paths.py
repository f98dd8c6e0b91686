"""Both paths of a world agree, whatever is turned on one of them is found, shrunk to one row and named; in any language."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.contracts.column_rules import ColumnRule
from skewkit.contracts.contract import Contract
from skewkit.features.definitions import knobs_of
from skewkit.parity import oip_grpc
from skewkit.parity.endpoints import endpoint
from skewkit.parity.profiles import profiles
from skewkit.parity.two_paths import of_world, round_trip
from skewkit.testing import assert_parity

from .conftest import play

# -- both worlds

FEW = 300


@pytest.fixture(scope="module", params=["payments", "flights"])
def world(request):
    return request.getfixturevalue(request.param)


def test_both_paths_of_a_world_agree(world):
    """A batch and one request at a time, every feature of synthetic requests with the edges that bite."""
    found = round_trip(**of_world(world, FEW, False, {}, 0))
    assert found.equal and found.result.verdict == "ok" and found.smallest == ()
    assert {f.feature for f in found.result.findings if f.statistic == "differ"} == {
        *world.definitions,
        *found.case.roles.compared,
    }


TURNED = {  # a knob on the online side, and the skews that are its name
    "zone": ({"zone": "UTC"}, {"time_zone"}),
    "lag": ({"lag": "6h"}, {"staleness"}),
    "snapshot": ({"snapshot": "1D"}, {"staleness"}),
    "window": ({"window": "7D"}, {"normalization_window"}),
    # an hour's count that misses its last two hours is 0 everywhere
    "edge": ({"edge": "2h"}, {"late_events", "staleness", "broken_header"}),
    "fill": ({"fill": "zero"}, {"missing_fill"}),
    "unknown": ({"unknown": 0}, {"encoding", "missing_fill"}),
    "counted": ({"counted": 2.0}, {"double_count", "unit_change"}),
    "how": ({"how": "count"}, {"schema_change"}),  # a sum that counts is what the column beside it holds
    "per": ({"per": "rest"}, {"rate_definition"}),
    "weight": ({"weight": 0.0}, {"rate_definition", "normalization_window"}),
}


def found_shrunk_and_named(world, n, knob, turned, names):
    """Features that have the knob differ and no others, one row shows each, and what is named is among the knob's names."""
    found = round_trip(**of_world(world, n, False, turned, 0))
    able = {f for f, d in world.definitions.items() if knob in knobs_of(d)}
    off = {f.feature for f in found.differing if f.statistic == "differ"}
    assert off and off <= able
    assert found.result.verdict == "breach" and found.smallest
    assert all(s.offline != s.online and len(s.kept) <= 4 for s in found.smallest)
    named = {fit.skew for fit in found.result.diagnosis.named}
    assert named <= names and (named or not names)


@pytest.mark.parametrize("knob", TURNED)
def test_a_knob_that_is_turned_on_one_side_is_found_shrunk_and_named(knob, payments):
    """Each knob of payments that a service can turn."""
    found_shrunk_and_named(payments, 1_000, knob, *TURNED[knob])


ALOFT = {  # the same of flights
    **{k: TURNED[k] for k in ("zone", "lag", "edge", "unknown", "counted")},
    # rain that a day's snapshot does not know of is 0 everywhere
    "snapshot": ({"snapshot": "1D"}, {"staleness", "broken_header"}),
    "window": ({"window": "1D"}, {"normalization_window"}),
    "how": (
        {"how": "count"},
        set(),
    ),  # a mean that counts is what no column holds: found and shrunk, and called unknown
}


@pytest.fixture(scope="module")
def october(flights):
    """Two days of the flights' requests, and the events of a week: 300,000 more make no other law, and shrinking slow."""

    def within(frame, column, days):
        begin = pd.Timestamp("2013-10-07T00:00Z")
        return frame[frame[column].between(begin - pd.Timedelta(days, "D"), begin + pd.Timedelta("2D"))]

    raw = {name: within(events, "known", 5).reset_index(drop=True) for name, events in flights.raw.items()}
    return flights.asking(within(flights.requests, flights.roles.time, 0).reset_index(drop=True), raw)


@pytest.mark.parametrize("knob", ALOFT)
def test_a_knob_of_flights_that_is_turned_is_found_shrunk_and_named(knob, october):
    """Each knob of flights that a service can turn, over 80 requests of one week."""
    found_shrunk_and_named(october, 80, knob, *ALOFT[knob])


def test_both_paths_of_that_week_agree(october):
    """The clean control of the knobs above."""
    assert round_trip(**of_world(october, 80, False, {}, 0)).equal


def test_events_that_come_late_are_named(payments):
    """With events fed when they came, counts by their own clock are what a stream makes of them."""
    found = round_trip(**of_world(payments, 1_000, True, {}, 0))
    assert "late_events" in {fit.skew for fit in found.result.diagnosis.named}


def test_the_notebook_ends_in_a_result(tmp_path, monkeypatch):
    """Equal paths are ok; with a clock turned the page begins with the cause, and the smallest input stands beside its feature."""
    monkeypatch.chdir(tmp_path)
    small = {"scenario": "payments", "profiles": 200}
    assert play("parity", **small)["trip"].result.verdict == "ok"
    names = play("parity", **small, knobs={"zone": "UTC"})
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    assert result["verdict"] == "breach" and result["fits"][0]["skew"] == "time_zone"
    (hour,) = [f for f in result["findings"] if f["feature"] == "hour" and f["statistic"] == "differ"]
    assert hour["detail"][0]["replayed"] == str(names["trip"].smallest[0].offline)


# -- a team's own two functions

AGREED = Contract(
    {
        "id": ColumnRule("integer", unique=True),
        "asked": ColumnRule("time"),
        "zone": ColumnRule("text", values=("Europe/Berlin", "Asia/Tokyo")),
        "part": ColumnRule("integer", range=(0, 1_000), nulls=0.1),
        "whole": ColumnRule("integer", range=(0, 1_000)),
        "name": ColumnRule("text"),
    }
)


def offline(rows):
    """A local hour, a share, and the letters of a name, in pandas."""
    hours = [t.tz_convert(z).hour for t, z in zip(rows["asked"], rows["zone"], strict=True)]
    share = (rows["part"].astype(float) / rows["whole"].replace(0, np.nan)).astype(float)
    return pd.DataFrame({"hour": hours, "share": share.to_numpy(), "letters": rows["name"].map(len).to_numpy()})


def test_two_functions_that_agree_pass():
    """Nothing is raised for a function and itself."""
    assert_parity(offline, offline, AGREED, "id", n=200)


def test_a_function_that_rounds_is_told_with_the_smallest_input():
    """A share cut to two decimals: the error names the feature, the cause, and an input of two small numbers."""

    def cut(rows):
        return offline(rows).assign(share=lambda t: np.floor(t["share"] * 100) / 100)

    with pytest.raises(AssertionError, match=r"share: differ.*(?s:.)*precision"):
        assert_parity(offline, cut, AGREED, "id", n=1_000)
    found = round_trip(offline, cut, profiles(AGREED, 1_000, key="id"), "id")
    (one,) = found.smallest
    assert set(one.kept) <= {"part", "whole"} and abs(one.input["part"]) <= 1_000
    assert one.offline != one.online


def test_half_a_table_is_no_answer():
    """A path that loses rows is refused, with how many it gave."""
    with pytest.raises(sk.SkewkitError, match="online was given 200 rows and returned 100"):
        round_trip(offline, lambda rows: offline(rows[:100]), profiles(AGREED, 200, key="id"), "id")


TABLE = pd.DataFrame({"id": np.arange(400), "x": np.arange(400) * 1.0, "y": np.arange(400) % 7})
ALIKE = {
    "the same": lambda d: d,
    "in another order": lambda d: d[["y", "x", "id"]],
    "without the key": lambda d: d[["x", "y"]],
    "whole numbers as floats": lambda d: d.assign(y=d["y"].astype(float)),
    "as categories": lambda d: d.assign(y=d["y"].astype("category")),
    "with another index": lambda d: d.set_axis(d["id"] + 10**6),
}
UNLIKE = {  # what the online path returns, and what is said of it
    "no feature": (lambda d: d[["id"]], ["x: one_path", "y: one_path", "only offline"]),
    "nothing": (lambda d: d[[]], ["x: one_path", "y: one_path"]),
    "one dropped": (lambda d: d.drop(columns="x"), ["x: one_path"]),
    "one renamed": (lambda d: d.rename(columns={"x": "z"}), ["x: one_path", "z: one_path", "only online"]),
    "one added": (lambda d: d.assign(z=1), ["z: one_path"]),
    "a number as text": (lambda d: d.assign(y=d["y"].astype(str)), ["y: retyped", "before integer, after text"]),
    "other keys": (lambda d: d.assign(id=d["id"] + 1), ["id: differ 1"]),
    "keys as text": (lambda d: d.assign(id=d["id"].astype(str)), ["id: differ 1"]),
    "rows in another order": (lambda d: d.sort_values("y", kind="stable"), ["id: differ"]),
    "and without their key": (lambda d: d.sort_values("y", kind="stable")[["x", "y"]], ["id: differ"]),
    "and numbered anew": (lambda d: d.sort_values("y", kind="stable").reset_index(drop=True), ["id: differ"]),
}


@pytest.mark.parametrize("way", ALIKE)
def test_the_same_columns_agree_however_they_are_returned(way):
    """Of inputs in any order and with any index; what is representation is no difference."""
    for inputs in (TABLE, TABLE.sample(frac=1, random_state=0)):
        assert_parity(lambda d: d, ALIKE[way], inputs, "id")


@pytest.mark.parametrize("side", ["online", "offline"])
@pytest.mark.parametrize("way", UNLIKE)
def test_other_columns_and_moved_rows_are_said_by_name(way, side):
    """On either side, in the error and in the result; never equal."""
    change, said = UNLIKE[way]
    sides = (lambda d: d, change) if side == "online" else (change, lambda d: d)
    found = round_trip(*sides, TABLE, "id")
    assert not found.equal and found.result.verdict == "breach"
    with pytest.raises(AssertionError) as raised:
        assert_parity(*sides, TABLE, "id")
    swapped = {"only offline": "only online", "only online": "only offline"}
    swapped |= {"before integer, after text": "before text, after integer"}
    for one in said:
        assert (one if side == "online" else swapped.get(one, one)) in str(raised.value)


def test_what_cannot_be_two_paths_is_refused():
    """One name twice, and no feature at all."""
    for online, offline_, said in (
        (lambda d: d[["id", "x", "x"]], lambda d: d, "'x' more than once"),
        (lambda d: d[["id"]], lambda d: d[[]], "no feature to compare"),
    ):
        with pytest.raises(sk.SkewkitError, match=said):
            assert_parity(offline_, online, TABLE, "id")


def test_a_run_of_parity_with_a_feature_dropped_is_no_success(tmp_path, monkeypatch):
    """Through the notebook: the result is a breach, and its page has the feature's name."""
    monkeypatch.chdir(tmp_path)
    TABLE.to_parquet("inputs.parquet")
    (tmp_path / "team_paths.py").write_text("whole = lambda d: d\nless = lambda d: d.drop(columns='y')\n")
    monkeypatch.syspath_prepend(tmp_path)
    play("parity", offline="team_paths.whole", online="team_paths.less", inputs="inputs.parquet", key="id")
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    (found,) = [f for f in result["findings"] if f["statistic"] == "one_path"]
    assert (result["verdict"], found["feature"], found["verdict"]) == ("breach", "y", "breach")


# -- services


@pytest.fixture(scope="module")
def service():
    """A model server of FastAPI on this machine, by both protocols; the model `utc` reads clocks in UTC."""
    import fastapi
    import uvicorn

    app = fastapi.FastAPI()

    def computed(rows, name):
        rows = rows.assign(
            asked=pd.to_datetime(rows["asked"], utc=True, format="ISO8601"), part=rows["part"].astype(float)
        )
        return offline(rows.assign(zone="UTC") if name == "utc" else rows)

    @app.post("/v2/models/{name}/infer")
    def infer(name: str, body: dict):
        made = computed(pd.DataFrame({t["name"]: t["data"] for t in body["inputs"]}), name)
        plain = made.astype(object).where(made.notna(), None)
        return {
            "outputs": [{"name": c, "shape": [len(made)], "datatype": "FP64", "data": plain[c].tolist()} for c in made]
        }

    @app.post("/invocations")
    def invocations(body: dict):
        sent = body["dataframe_split"]
        made = computed(pd.DataFrame(sent["data"], columns=sent["columns"]), "scores")
        return {"predictions": made.astype(object).where(made.notna(), None).to_dict("records")}

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("address", ["oip:{}/v2/models/scores", "mlflow:{}"])
def test_a_server_that_agrees_passes(service, address):
    """By the Open Inference Protocol and by MLflow's, over HTTP, with nulls and unicode."""
    assert_parity(offline, address.format(service), AGREED, "id", n=1_500)


def test_a_server_in_another_zone_is_named(service):
    """A model behind HTTP that reads clocks in UTC."""
    rows = profiles(AGREED, 500, key="id")
    found = round_trip(offline, endpoint(f"oip:{service}/v2/models/utc"), rows, "id", time="asked")
    assert [(f.skew, f.features) for f in found.result.diagnosis.fits] == [("time_zone", ("hour",))]
    assert set(found.smallest[0].kept) <= {"asked", "zone"}


def test_an_endpoint_that_is_not_there_says_so(service):
    """An address of no kind, a port where nobody listens, and a path that is none."""
    with pytest.raises(sk.SkewkitError, match="an address is like"):
        endpoint("grpc-web:somewhere")
    rows = profiles(AGREED, 10, key="id")
    with pytest.raises(sk.SkewkitError, match="cannot be asked"):
        endpoint("mlflow:http://127.0.0.1:9")(rows)
    with pytest.raises(sk.SkewkitError, match="404"):
        endpoint(f"oip:{service}/v3")(rows)


@pytest.fixture(scope="module")
def java():
    """Starts the service in tests/Scores.java, which Java compiles as it runs it; gives its address."""
    if shutil.which("java") is None:
        pytest.fail(
            "a Java of 11 or newer is needed, and there is none on this machine: apt-get install default-jdk-headless"
        )
    running = []

    def start(*arguments):
        running.append(
            subprocess.Popen(
                ["java", str(Path(__file__).with_name("Scores.java")), *arguments], stdout=subprocess.PIPE, text=True
            )
        )
        return f"oip:http://127.0.0.1:{running[-1].stdout.readline().strip()}/v2/models/scores"

    yield start
    for one in running:
        one.kill()
        one.wait()


def test_another_language_agrees_and_one_that_truncates_is_named(java):
    """A service in Java that computes the same within 1e-5; and its rewrite that cuts shares and reads clocks in UTC."""
    rows = profiles(AGREED, 2_000, key="id")
    assert round_trip(offline, endpoint(java()), rows, "id", time="asked", tolerance=1e-5).equal
    found = round_trip(offline, endpoint(java("truncates")), rows, "id", time="asked", tolerance=1e-5)
    assert {(f.skew, f.features) for f in found.result.diagnosis.fits} == {
        ("time_zone", ("hour",)),
        ("precision", ("share",)),
    }
    assert {s.feature for s in found.smallest} == {"hour", "share"}


@pytest.mark.parametrize(("world", "turned"), [("payments", TURNED), ("flights", ALOFT)], indirect=["world"])
def test_the_knobs_above_are_all_that_a_service_can_turn(world, turned):
    """Those left out name what is read, are fitted, show with late events or the future alone, or need more than one row."""
    read = {"table", "by", "value", "source", "part", "zone_in", "vocabulary", "fitted", "mean", "median"}
    left = {"ttl", "horizon", "clock", "watermark", "empty", "prior"}
    every = set().union(*(knobs_of(d) for d in world.definitions.values()))
    assert every <= read | left | set(turned) and set(turned) == every - read - left


# -- gRPC


@pytest.fixture(scope="module", params=["typed", "raw"])
def grpc_service(request):
    """A server of the Open Inference Protocol over gRPC on this machine, that answers with typed contents or with raw ones."""
    from concurrent.futures import ThreadPoolExecutor

    grpc = pytest.importorskip("grpc", reason="pip install 'skewkit[grpc]'")
    kinds, seen = oip_grpc.messages(), []

    def infer(asked, context):
        seen.append(context.invocation_metadata())
        if asked.model_name == "secret":
            token = dict(seen[-1]).get("authorization")
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"nobody knows {token}")
        if asked.model_name not in ("scores", "utc"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {asked.model_name}")
        sent = {}
        for tensor in asked.inputs:
            (values,) = [list(v) for _, v in tensor.contents.ListFields()]
            assert list(tensor.shape) == [len(values)]
            sent[tensor.name] = [v.decode() if isinstance(v, bytes) else v for v in values]
        rows = pd.DataFrame(sent)
        rows["asked"] = pd.to_datetime(rows["asked"], utc=True, format="ISO8601")
        made = offline(rows.assign(zone="UTC") if asked.model_name == "utc" else rows)
        answer = kinds["ModelInferResponse"](model_name=asked.model_name)
        for name, column, datatype in (("hour", made["hour"], "INT32"), ("share", made["share"], "FP64")):
            answer.outputs.add(name=name, datatype=datatype, shape=[len(column), 1])
            dtype, typed = oip_grpc.TENSORS[datatype]
            if request.param == "raw":
                answer.raw_output_contents.append(column.to_numpy(dtype).tobytes())
            else:
                getattr(answer.outputs[-1].contents, typed).extend(column.tolist())
        answer.outputs.add(name="letters", datatype="INT64", shape=[len(made)])
        if request.param == "raw":
            answer.raw_output_contents.append(made["letters"].to_numpy("<i8").tobytes())
        else:
            answer.outputs[-1].contents.int64_contents.extend(made["letters"].tolist())
        return answer

    handler = grpc.unary_unary_rpc_method_handler(
        infer, kinds["ModelInferRequest"].FromString, lambda m: m.SerializeToString()
    )
    server = grpc.server(ThreadPoolExecutor(2))
    service, method = oip_grpc.CALL.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"oip-grpc:127.0.0.1:{port}", seen
    server.stop(None)


def test_a_server_of_grpc_that_agrees_passes_and_one_in_another_zone_is_named(grpc_service):
    """Typed and raw answers of three types, in batches, with nulls and unicode; and a model that reads clocks in UTC."""
    address, _ = grpc_service
    assert_parity(offline, f"{address}/scores", AGREED, "id", n=1_500)
    found = round_trip(offline, endpoint(f"{address}/utc"), profiles(AGREED, 500, key="id"), "id", time="asked")
    assert [(f.skew, f.features) for f in found.result.diagnosis.fits] == [("time_zone", ("hour",))]


def test_metadata_goes_along_and_its_secret_stays_here(grpc_service, monkeypatch):
    """A token of the environment reaches the server, and neither the path nor an error shows it."""
    monkeypatch.setenv("TOKEN", "s3cr&t+1")
    address, seen = grpc_service
    rows = profiles(AGREED, 10, key="id")
    path = endpoint(address + "/scores/2?Authorization=Bearer ${TOKEN}")
    assert len(path(rows)) == 10 and dict(seen[-1])["authorization"] == "Bearer s3cr&t+1"
    with pytest.raises(sk.SkewkitError, match="PERMISSION_DENIED") as raised:
        endpoint(address + "/secret?authorization=Bearer ${TOKEN}")(rows)
    assert "Bearer ${TOKEN}" in str(raised.value) and "s3cr" not in str(raised.value) + repr(path)


def test_what_grpc_cannot_give_is_said(grpc_service):
    """A model that is not there, a port where nobody listens, and an address without a model."""
    address, _ = grpc_service
    rows = profiles(AGREED, 10, key="id")
    with pytest.raises(sk.SkewkitError, match="NOT_FOUND: no model other"):
        endpoint(f"{address}/other")(rows)
    with pytest.raises(sk.SkewkitError, match="cannot be asked"):
        endpoint("oip-grpc:127.0.0.1:9/scores")(rows)
    with pytest.raises(sk.SkewkitError, match="an address is like"):
        endpoint(address)


def test_a_request_is_the_bytes_that_the_protocol_fixes():
    """Written by hand from its field numbers: model 1, version 2, inputs 5; of a tensor name 1, datatype 2, shape 3, contents 5."""
    pytest.importorskip("google.protobuf")
    made = oip_grpc.request("m", "7", {"a": ("INT64", [1, 300]), "b": ("BYTES", [b"x"]), "c": ("FP64", [1.0])})

    def field(number, body):
        return bytes([number << 3 | 2, len(body)]) + body

    def tensor(name, datatype, n, contents):
        return field(5, field(1, name) + field(2, datatype) + field(3, bytes([n])) + field(5, contents))

    one = b"\x00\x00\x00\x00\x00\x00\xf0\x3f"
    assert made.SerializeToString() == (
        field(1, b"m")
        + field(2, b"7")
        + tensor(b"a", b"INT64", 2, field(3, b"\x01\xac\x02"))
        + tensor(b"b", b"BYTES", 1, field(8, b"x"))
        + tensor(b"c", b"FP64", 1, field(7, one))
    )


def test_raw_answers_of_every_type_are_read():
    """Each datatype of the protocol, little-endian and in row-major order, text after its length; and one cut short is refused."""
    pytest.importorskip("google.protobuf")
    for datatype, (dtype, _) in oip_grpc.TENSORS.items():
        answer = oip_grpc.messages()["ModelInferResponse"]()
        answer.outputs.add(name="o", datatype=datatype, shape=[2, 1])
        wanted = ["ä", ""] if datatype == "BYTES" else [0, 1]
        raw = b"\x02\x00\x00\x00\xc3\xa4\x00\x00\x00\x00" if datatype == "BYTES" else np.array(wanted, dtype).tobytes()
        answer.raw_output_contents.append(raw)
        assert oip_grpc.outputs(answer) == [{"name": "o", "shape": [2, 1], "data": wanted}]
        answer.raw_output_contents[0] = raw[:-1]
        with pytest.raises(ValueError):
            oip_grpc.outputs(answer)
