import numpy as np
import pytest

from robot_il.errors import DataError
from robot_il.learning.column_map import Column, ColumnMap, load_column_map
from robot_il.learning.import_csv import import_csv
from robot_il.learning.importers import Split

MAP = ColumnMap(
    observation=(Column("tilt deg", "pitch", "rad", scale=np.pi / 180), Column("v", "velocity", "m/s")),
    action=(Column("u", "voltage", "V"),),
    time=Column("ms", "time", "s", scale=1e-3),
)


def numbers(rows=60, seed=0, start_ms=0):
    random = np.random.default_rng(seed)
    table = random.uniform(-9, 9, (rows, 4)).round(4)
    table[:, 0] = start_ms + 15 * np.arange(rows)
    return table


def written(path, table, delimiter=",", header=("ms", "tilt deg", "v", "u"), end="\n", comma=False):
    lines = [delimiter.join(map(str, row)) for row in table]
    if comma:
        lines = [line.replace(".", ",") for line in lines]
    path.write_text(end.join([delimiter.join(header), *lines]) + end, newline="")
    return path


def check_values(dataset, table):
    np.testing.assert_allclose(dataset.observations[:, 0], np.deg2rad(table[:-1, 1]), rtol=1e-6)
    np.testing.assert_allclose(dataset.observations[:, 1], table[:-1, 2], rtol=1e-6)
    np.testing.assert_allclose(dataset.actions[:, 0], table[:-1, 3], rtol=1e-6)


@pytest.mark.parametrize(
    "style",
    [
        {},
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": ";", "comma": True},
        {"end": "\r\n"},
        {"header": ('"ms"', '"tilt deg"', "v", " u ")},
    ],
)
def test_usual_dialects_are_read(tmp_path, style):
    table = numbers()
    dataset = import_csv([written(tmp_path / "log.csv", table, **style)], Split(held_out_fraction=0.2), MAP)
    rows = np.concatenate([np.flatnonzero(dataset.episode == index) for index in range(len(dataset.info.episodes))])
    assert len(rows) == 59 - (len(dataset.info.episodes) - 1)
    origin = {np.float32(value): index for index, value in enumerate(table[:, 3])}
    for row in rows:
        original = origin[dataset.actions[row, 0]]
        np.testing.assert_allclose(
            dataset.observations[row], [np.deg2rad(table[original, 1]), table[original, 2]], 1e-6
        )
        after = [np.deg2rad(table[original + 1, 1]), table[original + 1, 2]]
        np.testing.assert_allclose(dataset.next_observations[row], after, rtol=1e-6)
    assert dataset.info.period_s == pytest.approx(0.015)


def test_comments_blank_lines_a_byte_order_mark_and_leading_lines_are_skipped(tmp_path):
    table = numbers()
    path = written(tmp_path / "log.csv", table)
    lines = path.read_text().splitlines()
    path.write_text("\ufeffmade by someone\n\n# units: SI\n" + "\n\n".join(lines) + "\n% end\n", encoding="utf-8")
    two = written(tmp_path / "two.csv", numbers(seed=1))
    two.write_text("made by someone\n" + two.read_text())
    columns = ColumnMap(MAP.observation, MAP.action, MAP.time, skip_lines=1)
    dataset = import_csv([path, two], Split(held_out_fraction=0.0), columns)
    check_values_of_first = dataset.episode == 0
    np.testing.assert_allclose(dataset.actions[check_values_of_first, 0], table[:-1, 3], rtol=1e-6)


def test_a_file_without_header_is_read_by_column_numbers(tmp_path):
    table = numbers()
    paths = []
    for index in range(2):
        paths.append(tmp_path / f"{index}.txt")
        np.savetxt(paths[-1], numbers(seed=index))
    columns = ColumnMap((Column(1, "pitch"), Column(2, "velocity")), (Column(3, "u"),), period_s=0.015, header=False)
    dataset = import_csv(paths, Split(held_out_fraction=0.0), columns)
    np.testing.assert_allclose(dataset.observations[:59], table[:-1, 1:3], rtol=1e-6)


def test_one_file_is_one_episode_and_a_column_can_tell_episodes_apart(tmp_path):
    paths = [written(tmp_path / f"{seed}.csv", numbers(seed=seed)) for seed in range(6)]
    dataset = import_csv(paths, Split(), MAP)
    assert [record.rows for record in dataset.info.episodes] == [59] * 6
    assert [record.source for record in dataset.info.episodes] == [path.name for path in paths]

    table = np.column_stack([numbers(150), np.repeat(np.arange(5), 30)])
    path = written(tmp_path / "all.csv", table, header=("ms", "tilt deg", "v", "u", "run"))
    columns = ColumnMap(MAP.observation, MAP.action, MAP.time, episode="run")
    assert [record.rows for record in import_csv([path], Split(), columns).info.episodes] == [29] * 5


def test_a_gap_in_time_or_a_step_back_is_never_bridged(tmp_path):
    table = numbers(90)
    table[30:, 0] += 30
    table[60:, 0] -= 500
    dataset = import_csv([written(tmp_path / "log.csv", table)], Split(held_out_fraction=0.0), MAP)
    assert [record.rows for record in dataset.info.episodes] == [29, 29, 29]
    assert any("2 cuts where time does not go on" in note for note in dataset.info.notes)


def test_a_terminal_row_ends_its_episode_in_a_fall(tmp_path):
    table = np.column_stack([numbers(90), np.arange(90) == 44])
    path = written(tmp_path / "log.csv", table, header=("ms", "tilt deg", "v", "u", "fell"))
    columns = ColumnMap(MAP.observation, MAP.action, MAP.time, terminal="fell")
    dataset = import_csv([path], Split(held_out_fraction=0.0), columns)
    assert [record.rows for record in dataset.info.episodes] == [44, 44]
    np.testing.assert_array_equal(np.flatnonzero(dataset.terminals), [43])


def test_fragments_are_dropped_and_named_by_line(tmp_path):
    table = numbers(90)
    table[70:, 0] += 900
    table[80:, 0] += 900
    table[40:, 0] += 900
    dataset = import_csv([written(tmp_path / "log.csv", table)], Split(held_out_fraction=0.0), MAP)
    assert [record.rows for record in dataset.info.episodes] == [39, 29]
    assert any("a fragment of 10 rows at line 72 dropped" in note for note in dataset.info.notes)


def test_a_last_line_that_was_cut_off_is_left_out_and_named(tmp_path):
    path = written(tmp_path / "log.csv", numbers(60))
    path.write_text(path.read_text() + "900,1.5")
    dataset = import_csv([path, written(tmp_path / "b.csv", numbers(seed=1))], Split(held_out_fraction=0.0), MAP)
    assert dataset.info.episodes[0].rows == 59
    assert any("incomplete last line" in note for note in dataset.info.notes)


def test_a_column_that_is_not_there_is_refused_and_those_found_are_listed(tmp_path):
    path = written(tmp_path / "log.csv", numbers(), header=("t", "tilt deg", "v", "u"))
    with pytest.raises(DataError, match=r"one column 'ms' in .*log\.csv; came the columns t, tilt deg, v, u"):
        import_csv([path], Split(), MAP)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("15,x,1,2", "finite tilt deg in .*log.csv; came 'x' in line 5"),
        ("15,nan,1,2", "came 'nan' in line 5"),
        ("15,,1,2", "came '' in line 5"),
        ("15,1,1", "4 fields in .*log.csv; came 3 in line 5"),
        ("15,1,1,2,3", "came 5 in line 5"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = written(tmp_path / "log.csv", numbers())
    lines = path.read_text().splitlines()
    lines.insert(4, line)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=message):
        import_csv([path], Split(), MAP)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"ms,tilt deg,v,u\n", b"\x00\x01\x02,\xff"])
def test_a_file_without_rows_or_text_is_refused(tmp_path, content):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"log\.csv"):
        import_csv([tmp_path / "log.csv"], Split(), MAP)


def test_rows_that_never_follow_each_other_are_no_dataset(tmp_path):
    table = numbers(60)
    table[:, 0] = 0
    with pytest.raises(DataError, match="time column that rises"):
        import_csv([written(tmp_path / "log.csv", table)], Split(), MAP)
    with pytest.raises(DataError, match="period_s or a time column"):
        import_csv([written(tmp_path / "log.csv", table)], Split(), ColumnMap(MAP.observation, MAP.action))


TOML = """
label = "suboptimal"
period_s = 0.02
[csv]
delimiter = ";"
skip_lines = 2
[time]
column = "ms"
scale = 1e-3
[episode]
column = "run"
[[observation]]
column = "tilt"
name = "pitch"
unit = "rad"
scale = 0.017453292519943295
[[action]]
column = 4
name = "voltage"
unit = "V"
low = -8
high = 8
"""


def test_a_map_is_read_with_all_its_keys(tmp_path):
    (tmp_path / "map.toml").write_text(TOML)
    assert load_column_map(tmp_path / "map.toml") == ColumnMap(
        observation=(Column("tilt", "pitch", "rad", scale=0.017453292519943295),),
        action=(Column(4, "voltage", "V", low=-8.0, high=8.0),),
        time=Column("ms", "time", "s", scale=1e-3),
        episode="run",
        period_s=0.02,
        label="suboptimal",
        delimiter=";",
        skip_lines=2,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[action]]", "[[deed]]", "unknown keys deed"),
        ("unit =", "units =", "unknown keys units"),
        ("high = 8", "", "limits need low < high"),
        ("low = -8", "low = 9", "limits need low < high"),
        ("scale = 1e-3", "scale = 0", "scale 0.0"),
        ("scale = 1e-3", 'scale = "ms"', "map.toml"),
        ('"suboptimal"', '"fine"', "the label 'fine'"),
        ("period_s = 0.02", "period_s = -1", "period_s = -1"),
        ("[csv]", "[csv", "column map in TOML"),
        ("skip_lines = 2", 'skip_lines = "two"', "map.toml"),
        ('column = "run"', 'line = "run"', "map.toml"),
        ('name = "pitch"', 'name = "pitch"\nlow = 1\nhigh = 2', "only an action has limits"),
    ],
)
def test_a_map_with_a_mistake_is_refused_with_the_mistake_named(tmp_path, old, new, message):
    assert old in TOML
    (tmp_path / "map.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_column_map(tmp_path / "map.toml")
