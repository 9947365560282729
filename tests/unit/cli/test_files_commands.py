"""A project's files by command: kept, listed, written out and deleted, in both languages."""

from pathlib import Path

from tests.unit.cli.command import waystation


def test_files_by_command(tmp_path: Path) -> None:
    assert waystation("init", home=tmp_path).code == 0
    file = tmp_path / "报告.txt"
    file.write_text("hello")
    made = waystation("files", "upload", file, "--expires-s", "3600", "--json", home=tmp_path).json
    assert (made["filename"], made["bytes"], made["purpose"]) == ("报告.txt", 5, "user_data")
    assert waystation("files", "list", "--json", home=tmp_path).json == [made]
    assert waystation("files", "list", "--purpose", "batch", home=tmp_path).out == ""
    assert waystation("files", "content", made["id"], home=tmp_path).out == "hello"
    waystation("files", "content", made["id"], "-o", tmp_path / "out", home=tmp_path)
    assert (tmp_path / "out").read_text() == "hello"
    bad = waystation("files", "upload", file, "--purpose", "batch", home=tmp_path)
    assert (bad.code, "Line 1" in bad.err) == (1, True)
    gone = waystation("files", "delete", made["id"], home=tmp_path, environ={"LANG": "zh_CN.UTF-8"})
    assert (gone.code, gone.out) == (0, f"已删除 {made['id']}。\n")
    assert "No such File object" in waystation("files", "content", made["id"], home=tmp_path).err
    assert "不存在" in waystation("files", "upload", "/nowhere", home=tmp_path, environ={"LANG": "zh_CN.UTF-8"}).err
